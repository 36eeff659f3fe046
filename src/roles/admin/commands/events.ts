/** `events`: the journal as people read it. */
import { Command, Option } from 'clipanion';
import { parseSinceUs } from '../../../base/instant.ts';
import type { Shape } from '../../../net/layout.ts';
import type { Draft } from '../client.ts';
import { AdminCommand, checkOn, usage } from '../command.ts';
import { JsonList, StreamRenderer } from '../render.ts';
import { views } from '../views.ts';

export class Events extends AdminCommand {
  static override paths = [['admin', 'events']];
  static override usage = Command.Usage({
    category: 'Fleet',
    description: 'Show what happened, and who did it',
    examples: [
      ['The last hour', '$0 admin events --since 1h'],
      ['What happens now', '$0 admin events -f'],
      ['Who did what today', '$0 admin events --audit --since 24h'],
      ['Who does what, as it happens', '$0 admin events --audit -f'],
      ['The audit for another system', '$0 admin events --audit --export > audit.jsonl'],
      ['Is the audit whole', '$0 admin events --verify'],
    ],
  });

  follow = Option.Boolean('-f,--follow', false, { description: 'Go on until interrupted' });
  since = Option.String('--since', { description: 'An instant (RFC 3339) or so long ago (5m)' });
  audit = Option.Boolean('--audit', false, {
    description: 'Who asked what, from where, with which answer',
  });
  verify = Option.Boolean('--verify', false, {
    description: 'Check that the audit is whole: its chain, from the first entry kept to the last',
  });
  export = Option.Boolean('--export', false, {
    description: 'With --audit: JSON lines as the chain has them, each with its hash',
  });
  on = Option.String('--on', { description: 'Only of these nodes (a selector)' });

  protected override timeoutMs(): number | undefined {
    const given = super.timeoutMs();
    return this.follow && this.timeout === undefined ? undefined : given;
  }

  protected override async perform(): Promise<number> {
    const { since } = this;
    const on = checkOn(this.on);
    if (this.audit || this.verify || this.export) return this.#audit();
    const about = {
      query: 'events',
      ...(on === undefined ? {} : { on }),
      ...(since === undefined ? {} : { since: parseSinceUs(since, this.console.nowUs()) }),
    };
    const renderer = new StreamRenderer(views.event, this.format);
    const told = (events: readonly Shape<'event'>[]): void => {
      this.write(renderer.rows(events, this.console.nowUs()));
    };
    if (!this.follow) return this.#pages(about, told);
    await this.ask('retWatch', about, { onMore: ({ events = [] }) => told(events) });
    return 0;
  }

  async #audit(): Promise<number> {
    if (this.on !== undefined) throw usage('--audit does not go with --on');
    if (this.verify && this.follow) throw usage('--verify does not go with -f');
    if (this.export && !this.audit) throw usage('--export goes with --audit');
    const { followAudit, tellAudit, verifyAudit } = await import('../audit.ts');
    const { format, since } = this;
    const sinceUs = since === undefined ? undefined : parseSinceUs(since, this.console.nowUs());
    const query = { query: 'audit', ...(sinceUs === undefined ? {} : { since: sinceUs }) };
    const ask = (about: Draft<'retQuery'>) => this.query(about);
    const write = (text: string): void => this.write(text);
    if (this.verify && sinceUs !== undefined) throw usage('--verify reads all there is');
    if (this.verify) return verifyAudit(ask, write, format);
    if (this.follow) {
      const told = followAudit(this.export ? 'export' : format, write);
      await this.ask('retWatch', query, { onMore: ({ audits = [] }) => told(audits) });
      return 0;
    }
    return tellAudit({ ask, write, query, style: this.export ? 'export' : format });
  }

  /** The journal may be longer than memory likes: a page at a time is printed. */
  async #pages(
    about: Draft<'retQuery'>,
    told: (events: readonly Shape<'event'>[]) => void,
  ): Promise<number> {
    const list = this.format === 'json' ? new JsonList() : undefined;
    let after: number | undefined;
    do {
      const page = await this.query({ ...about, ...(after === undefined ? {} : { after }) });
      const events = page.events ?? [];
      if (list === undefined) told(events);
      else this.write(list.items(events.map((event) => views.event.json(event, 0))));
      after = page.after;
    } while (after !== undefined);
    this.write(list?.end() ?? '');
    return 0;
  }
}
