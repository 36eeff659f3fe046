/** `stats`: the last readings of processes and nodes, also of nodes that are away. */
import { Command, Option } from 'clipanion';
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
      'interrupted.',
    examples: [
      ['Everything', '$0 admin stats'],
      ['One task, as it goes', '$0 admin stats crawl --watch'],
    ],
  });

  watch = Option.Boolean('-w,--watch', false, { description: 'Go on until interrupted' });
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
    if (!this.watch) {
      const { samples = [] } = await this.query({ query: 'stats', ...about });
      return this.list(views.stats, samples);
    }
    const renderer = new StreamRenderer(views.stats, this.format);
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
