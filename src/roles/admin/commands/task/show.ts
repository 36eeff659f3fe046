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
      there (\`cgroup\`, or \`walk\`: the tree is walked in /proc) and by what each limit is held;
      with \`waitsFor\`: whether a start there waits for its predecessor on that \`node\`, or on \`all\`.
    `,
    examples: [['What defines a task', '$0 admin task show crawl --json']],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = [checkName(this.name, 'task')];
    const { tasks: [task] = [] } = await this.query({ query: 'tasks', names });
    if (task === undefined) return 1;
    const nodes = await this.#nodes(task.spec.on);
    const heldBy = nodes.map((node) => ({
      node: node.node,
      by: node.containment ?? null,
      limits: heldLimits(node) ?? null,
    }));
    const waitsFor = await this.#waitsFor(task);
    const view = views.task;
    return this.show(
      { ...view, json: (row, nowUs) => ({ ...view.json(row, nowUs), heldBy, waitsFor }) },
      task,
    );
  }

  /** Whose runs a start on each node waits for: `node`, those there; `all`, those everywhere. */
  async #waitsFor(own: Shape<'task'>): Promise<readonly object[]> {
    const { spec } = own;
    const rows: object[] = [];
    if (!spec.afterTasks?.length) return rows;
    const { tasks = [] } = await this.query({ query: 'tasks' });
    const places = await this.#placesOf(own);
    for (const { task, on } of spec.afterTasks) {
      const predecessor = tasks.find((one) => one.task === task);
      const there = new Set(predecessor ? await this.#placesOf(predecessor) : []);
      for (const node of places) {
        const isOwn = there.has(node) && (spec.afterAll !== true || there.size === 1);
        rows.push({ node, task, on, of: isOwn ? 'node' : 'all' });
      }
    }
    return rows;
  }

  /** The names of the nodes it belongs on. */
  async #placesOf({ spec }: Shape<'task'>): Promise<readonly string[]> {
    if (spec.on === undefined && spec.bundle !== undefined) {
      const { bundles = [] } = await this.query({ query: 'bundles' });
      const { presences = [] } = bundles.find(({ bundle }) => bundle === spec.bundle) ?? {};
      return presences.map(({ node }) => node);
    }
    return (await this.#nodes(spec.on)).map(({ node }) => node);
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
