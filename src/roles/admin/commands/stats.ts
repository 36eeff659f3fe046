/** `stats`: the last readings of processes and nodes, also of nodes that are away. */
import { Command, Option } from 'clipanion';
import { parseSinceUs } from '../../../base/instant.ts';
import type { Shape } from '../../../net/layout.ts';
import { AdminCommand, checkOn, checkTarget } from '../command.ts';
import { StreamRenderer } from '../render.ts';
import { views } from '../views.ts';

export class Stats extends AdminCommand {
  static override paths = [['admin', 'stats']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Show what processes and nodes use',
    details:
      'The last reading of each process (its whole tree) and of each node, with its age; ' +
      'also of nodes that are away. `--watch` goes on with every new reading until ' +
      'interrupted. `--since` shows the readings of the last hour that are not older.',
    examples: [
      ['Everything', '$0 admin stats'],
      ['One task, as it goes', '$0 admin stats crawl --watch'],
      ['What it used', '$0 admin stats crawl --since 10m'],
    ],
  });

  watch = Option.Boolean('-w,--watch', false, { description: 'Go on until interrupted' });
  since = Option.String('--since', { description: 'An instant, or so long ago (10m)' });
  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  names = Option.Rest({ name: 'TARGET' });

  protected override timeoutMs(): number | undefined {
    const given = super.timeoutMs();
    return this.watch && this.timeout === undefined ? undefined : given;
  }

  protected override async perform(): Promise<number> {
    const names = this.names.length > 0 ? await this.targets(this.names, 'TARGET') : [];
    const on = checkOn(this.on);
    const about = { names: names.map(checkTarget), ...(on === undefined ? {} : { on }) };
    const since =
      this.since === undefined ? {} : { since: parseSinceUs(this.since, this.console.nowUs()) };
    if (!this.watch) {
      const { samples = [] } = await this.query({ query: 'stats', ...about, ...since });
      return this.list(views.stats, this.since === undefined ? samples : inOrder(samples));
    }
    const renderer = new StreamRenderer(views.stats, this.format);
    if (this.since !== undefined) {
      const { samples = [] } = await this.query({ query: 'stats', ...about, ...since });
      this.write(renderer.rows(inOrder(samples), this.console.nowUs()));
    }
    await this.ask(
      'retWatch',
      { query: 'stats', ...about },
      {
        onMore: ({ samples = [] }) => this.write(renderer.rows(samples, this.console.nowUs())),
      },
    );
    return 0;
  }
}

/** By node, task and run, each as time went: answers of several nodes come mixed. */
function inOrder(samples: readonly Shape<'sample'>[]): Shape<'sample'>[] {
  const key = ({ node, task, run }: Shape<'sample'>): string =>
    `${node ?? ''}\0${task ?? ''}\0${run ?? ''}`;
  const keyed = samples.map((row) => ({ row, key: key(row) }));
  keyed.sort((a, b) => (a.key === b.key ? a.row.at - b.row.at : a.key < b.key ? -1 : 1));
  return keyed.map(({ row }) => row);
}
