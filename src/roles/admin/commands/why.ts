/** `why`: one causal chain out of the journal and the live state. */
import { Command, Option } from 'clipanion';
import { isRunId } from '../../../base/ids.ts';
import type { Shape } from '../../../net/layout.ts';
import type { View } from '../cells.ts';
import { orNull } from '../cells.ts';
import type { Draft } from '../client.ts';
import { AdminCommand, checkOn, checkTarget } from '../command.ts';
import { type Explanation, explain, type Facts } from '../why.ts';
import { type Rival, wantsRoom } from '../why-room.ts';

/** How far back one looks: the newest of each. */
const EVENTS = 500;

export class Why extends AdminCommand {
  static override paths = [['admin', 'why']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Tell why a task is as it is',
    details:
      'For each node: what state it is in there, because of what, down to who asked for it. ' +
      'Each line is because of the one below it. NAME is a task, TASK@NODE or a run.',
    examples: [
      ['Why does it not run?', '$0 admin why crawl'],
      ['On one node', '$0 admin why crawl --on n1'],
    ],
  });

  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on);
    const target = checkTarget(this.name);
    const [name = '', node] = target.split('@', 2);
    const { nodes: chosen } = on === undefined ? {} : await this.query({ query: 'nodes', on });
    const only = node === undefined ? chosen?.map((one) => one.node) : [node];
    if (node !== undefined) await this.query({ query: 'nodes', names: [node] });
    const facts = isRunId(name) ? await this.#ofRun(name) : await this.#ofTask(name);
    const where = isRunId(name) ? facts.processes.map((one) => one.node ?? '') : only;
    const rows = explain(facts, where && new Set(where));
    if (this.format === 'json' || this.format === 'name') return this.list(whyView, rows);
    for (const { node: place, chain } of rows) {
      this.write(`${name}${place === undefined ? '' : `@${place}`}\n`);
      this.write(chain.map((line, depth) => `${'  '.repeat(depth + 1)}${line}\n`).join(''));
    }
    return 0;
  }

  async #ofRun(run: string): Promise<Facts> {
    const { processes = [] } = await this.query({ query: 'processes', names: [run], all: true });
    const [process] = processes;
    if (process?.task !== undefined) {
      const facts = await this.#ofTask(process.task);
      return { ...facts, processes };
    }
    const { nodes = [] } = await this.query({ query: 'nodes' });
    const none = { task: undefined, bundle: undefined, schedules: [], fires: [], events: [] };
    return { ...none, nodes, processes, operations: [], nowUs: this.console.nowUs() };
  }

  async #ofTask(name: string): Promise<Facts> {
    const ask = (body: Draft<'retQuery'>) => this.query(body);
    const { processes = [] } = await ask({ query: 'history', task: name, limit: EVENTS });
    const { tasks = [] } = await ask({ query: 'tasks' });
    let task = tasks.find((one) => one.task === name);
    // A task that was removed is known by its runs; one that never was is an error here.
    if (!task && processes.length === 0) await ask({ query: 'tasks', names: [name] });
    // Asked for by its name, it comes with what was thought of each node.
    if (task?.placed) task = (await ask({ query: 'tasks', names: [name] })).tasks?.[0] ?? task;
    const { nodes = [] } = await ask({ query: 'nodes' });
    const { operations = [] } = await ask({ query: 'operations' });
    const { fires = [] } = await ask({ query: 'fires', task: name, tail: EVENTS });
    const { events = [] } = await ask({ query: 'events', task: name, tail: EVENTS });
    const schedules = task ? ((await ask({ query: 'schedules', task: name })).schedules ?? []) : [];
    const { bundles = [] } = task?.spec.bundle === undefined ? {} : await ask({ query: 'bundles' });
    const bundle = bundles.find((one) => one.bundle === task?.spec.bundle);
    const nowUs = this.console.nowUs();
    const rivals = processes.some(wantsRoom) ? await this.#rivals(tasks) : [];
    const facts = { task, nodes, processes, bundle, schedules, fires, operations, events };
    return { ...facts, rivals, nowUs };
  }

  async #rivals(tasks: readonly Shape<'task'>[]): Promise<readonly Rival[]> {
    const specs = new Map(tasks.map(({ task, spec }) => [task, spec]));
    const { processes = [] } = await this.query({ query: 'processes' });
    return processes.flatMap((process) => {
      const spec = specs.get(process.task ?? '');
      return spec ? [{ process, spec }] : [];
    });
  }
}

const whyView: View<Explanation> = {
  name: ({ node, run }) => run ?? node ?? '',
  json: ({ node, run, state, chain }) => ({ node: orNull(node), run: orNull(run), state, chain }),
  columns: [],
};
