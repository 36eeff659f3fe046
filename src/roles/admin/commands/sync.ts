/** `sync`: each node asks its sources of time again, and says how its clock then stands. */
import { Command, Option } from 'clipanion';
import type { LotcError } from '../../../base/errors.ts';
import type { Shape } from '../../../net/layout.ts';
import { AdminCommand, checkOn } from '../command.ts';
import { judgeAnswers } from '../outcome.ts';
import { Roll } from '../roll.ts';
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

  #overdue: (timeoutMs: number) => LotcError | undefined = () => undefined;

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on) ?? '@all';
    const nodes: Shape<'node'>[] = [];
    const roll = new Roll(this.query({ query: 'nodes', on }));
    this.#overdue = (timeoutMs) => {
      this.#tell(nodes);
      return roll.overdue(timeoutMs);
    };
    const add = (some: readonly Shape<'node'>[]): void => {
      nodes.push(...some);
      roll.answered(some);
    };
    const last = await this.ask('synNode', { on }, { onMore: (body) => add(body.nodes) });
    add(last.nodes);
    this.#tell(nodes);
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

  /** Who has answered is told, also where others have not. */
  protected override timedOut(timeoutMs: number): Promise<LotcError> {
    const error = this.#overdue(timeoutMs);
    return error ? Promise.resolve(error) : super.timedOut(timeoutMs);
  }

  #tell(nodes: Shape<'node'>[]): void {
    nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
    this.list(views.sync, nodes);
    if (this.format === 'table' || this.format === 'wide') this.#servers(nodes);
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
