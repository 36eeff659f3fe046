/** `fires`: the ledger of firings, with lateness and clock error; in figures with --summary. */
import { Command, Option } from 'clipanion';
import { parseSinceUs } from '../../../base/instant.ts';
import type { Shape } from '../../../net/layout.ts';
import type { Draft } from '../client.ts';
import { AdminCommand, checkName, checkOn, usage } from '../command.ts';
import { fireView, summaryView } from '../schedule-views.ts';

export class Fires extends AdminCommand {
  static override paths = [['admin', 'fires']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Show what fired, and how exactly',
    details:
      'One row for each instant, schedule and node, in order. LATE counts from the planned ' +
      'instant (and the splay) to the start of the program; CLOCK ERROR is how wrong the ' +
      "node's clock may have been then. What is still happening has no result. With " +
      '`--summary` a line for each schedule: results, lateness, and how far the nodes were ' +
      'apart at one instant, give or take what their clocks may be wrong by.',
    examples: [
      ['What a task fired', '$0 admin fires --task crawl'],
      ['What failed in the last day', '$0 admin fires --since 1d --result failed'],
      ['How exactly', '$0 admin fires --summary --since 7d'],
      ['What came and what will', '$0 admin fires --since 1h --planned'],
    ],
  });

  task = Option.String('--task', { description: 'Only of this task' });
  since = Option.String('--since', { description: 'An instant (RFC 3339) or so long ago (5m)' });
  on = Option.String('--on', { description: 'Only of these nodes (a selector)' });
  result = Option.String('--result', { description: 'Only ok, skipped, failed or lost' });
  planned = Option.Boolean('--planned', false, { description: 'Coming instants as well' });
  summary = Option.Boolean('--summary', false, { description: 'Figures for each schedule' });
  ids = Option.Rest({ name: 'SCHEDULE' });

  protected override async perform(): Promise<number> {
    const { result, since } = this;
    if (result !== undefined && !results.includes(result)) {
      throw usage(`--result: "${result}" is none of ${results.join(', ')}`);
    }
    if (this.summary && (this.planned || result !== undefined)) {
      throw usage('--summary goes with neither --planned nor --result');
    }
    const on = checkOn(this.on);
    const about = {
      names: this.ids,
      ...(this.task === undefined ? {} : { task: checkName(this.task, '--task') }),
      ...(on === undefined ? {} : { on }),
      ...(since === undefined ? {} : { since: parseSinceUs(since, this.console.nowUs()) }),
    };
    if (this.summary) {
      const { summaries = [] } = await this.query({ ...about, query: 'summaries' });
      if (summaries.length === 0) await this.#check();
      return this.list(summaryView, summaries);
    }
    const rows = (await this.#past(about)).filter((row) => !result || row.result === result);
    rows.sort(inOrder);
    if (this.planned && result === undefined) {
      const { fires = [] } = await this.query({ ...about, query: 'planned' });
      const known = new Set(rows.map(keyOf));
      rows.push(...fires.filter((fire) => !known.has(keyOf(fire))));
    }
    if (rows.length === 0) await this.#check();
    return this.list(fireView, rows);
  }

  async #past(about: Omit<Draft<'retQuery'>, 'query'>): Promise<Shape<'fire'>[]> {
    const rows = new Map<string, Shape<'fire'>>();
    let after: number | undefined;
    do {
      const page = await this.query({
        ...{ ...about, query: 'fires' },
        ...(after === undefined ? {} : { after }),
      });
      // One that is reported again while we read is in a later page, as it is now.
      for (const fire of page.fires ?? []) rows.set(keyOf(fire), fire);
      after = page.after;
    } while (after !== undefined);
    return [...rows.values()];
  }

  /** Nothing found: what was asked for may be misspelt. The ledger itself outlives both. */
  async #check(): Promise<void> {
    if (this.task !== undefined) await this.query({ query: 'tasks', names: [this.task] });
    if (this.ids.length > 0) await this.query({ query: 'schedules', names: this.ids });
  }
}

const results: readonly string[] = ['ok', 'skipped', 'failed', 'lost'];

const keyOf = ({ node = '', plannedUs, schedule }: Shape<'fire'>): string =>
  `${schedule} ${plannedUs} ${node}`;

function inOrder(a: Shape<'fire'>, b: Shape<'fire'>): number {
  return a.plannedUs - b.plannedUs || (keyOf(a) < keyOf(b) ? -1 : 1);
}
