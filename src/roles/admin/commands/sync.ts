/** `sync`: each node asks its sources of time again, and says how its clock then stands. */
import { Command, Option } from 'clipanion';
import type { Shape } from '../../../net/layout.ts';
import { AdminCommand, checkOn } from '../command.ts';
import { judgeAnswers } from '../outcome.ts';
import { views } from '../views.ts';

export class Sync extends AdminCommand {
  static override paths = [['admin', 'sync']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Ask all sources of time again, and show each node’s clock',
    details:
      'OFFSET is true time minus the system clock, which is never changed; ERROR is the bound ' +
      'within which true time lies for certain. Each time server is shown with what it proves, ' +
      'whether it is believed, and what is wrong with it. A server without a source of its own ' +
      'gives the fleet its own time: the bound is then against that, and said to be relative.',
    examples: [
      ['Every node', '$0 admin sync'],
      ['A node, every field', '$0 admin sync --on n1 --json'],
    ],
  });

  on = Option.String('--on', { description: 'Only these (a selector; default @all)' });

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on) ?? '@all';
    const nodes: Shape<'node'>[] = [];
    const add = (some: readonly Shape<'node'>[]): void => void nodes.push(...some);
    const last = await this.ask('synNode', { on }, { onMore: (body) => add(body.nodes) });
    add(last.nodes);
    nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
    this.list(views.sync, nodes);
    if (this.format === 'table' || this.format === 'wide') this.#servers(nodes);
    if (last.clock?.synchronized === false) {
      this.note(
        'the server itself knows no true time: bounds by it alone are relative to its clock',
      );
    }
    const { complaints, exitCode } = judgeAnswers([
      ...(last.answers ?? []),
      ...nodes.map(({ node }) => ({ ok: true, node })),
    ]);
    this.complain(complaints);
    return exitCode;
  }

  #servers(nodes: readonly Shape<'node'>[]): void {
    const rows = nodes.flatMap(({ node, clock }) =>
      (clock?.servers ?? []).map((server) => ({ node, ...server })),
    );
    if (rows.length === 0) return;
    this.write('\n');
    this.list(views.timeServer, rows);
  }
}
