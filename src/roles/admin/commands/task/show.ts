/** `task show`: one task with all that defines it, and by what its nodes hold its processes. */
import { Command, Option } from 'clipanion';
import { LotcError } from '../../../../base/errors.ts';
import type { Shape } from '../../../../net/layout.ts';
import { AdminCommand, checkName } from '../../command.ts';
import { heldLimits } from '../../limit-views.ts';
import { views } from '../../views.ts';

export class TaskShow extends AdminCommand {
  static override paths = [['admin', 'task', 'show']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Show a task',
    details: `
      With \`heldBy\`: of each node that the task may run on, what holds its processes together
      there (\`cgroup\`, or \`walk\`: the tree is walked in /proc) and by what each limit is held.
    `,
    examples: [['What defines a task', '$0 admin task show crawl --json']],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = [checkName(this.name, 'task')];
    const { tasks: [task] = [] } = await this.query({ query: 'tasks', names });
    if (task === undefined) return 1;
    const heldBy = (await this.#nodes(task.spec.on)).map((node) => ({
      node: node.node,
      by: node.containment ?? null,
      limits: heldLimits(node) ?? null,
    }));
    const view = views.task;
    return this.show(
      { ...view, json: (row, nowUs) => ({ ...view.json(row, nowUs), heldBy }) },
      task,
    );
  }

  /** None where none matches yet. */
  async #nodes(on: string | undefined): Promise<readonly Shape<'node'>[]> {
    try {
      const { nodes = [] } = await this.query({
        query: 'nodes',
        ...(on === undefined ? {} : { on }),
      });
      return nodes;
    } catch (error) {
      if (error instanceof LotcError && error.exitCode === 4) return [];
      throw error;
    }
  }
}
