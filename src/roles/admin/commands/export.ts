/** `export`: what is there, as manifests. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName, usage } from '../command.ts';
import { type Kind, kinds } from '../manifest/kinds.ts';
import {
  type Manifest,
  nodeManifest,
  scheduleManifest,
  taskManifest,
  yamlText,
} from '../manifest/write.ts';
import { jsonText } from '../render.ts';

export class Export extends AdminCommand {
  static override paths = [['admin', 'export']];
  static override usage = Command.Usage({
    category: 'Manifests',
    description: 'Write manifests of what is there',
    details:
      'Tasks, their schedules, and the labels of nodes, as `apply` reads them: applied to the ' +
      'server they came from they change nothing. Schedules that load or unload bundles, and ' +
      'those that have fired for the last time, are left out.',
    examples: [
      ['Everything', '$0 admin export > fleet.yaml'],
      ['One task and its schedules', '$0 admin export --kind Task --kind Schedule crawl'],
    ],
  });

  kind = Option.Array('--kind', [], { description: 'Task, Schedule or Node; repeats' });
  names = Option.Rest({ name: 'TASK' });

  protected override async perform(): Promise<number> {
    for (const kind of this.kind) {
      if (!kinds.includes(kind as Kind))
        throw usage(`--kind: "${kind}" is none of ${kinds.join(', ')}`);
    }
    const manifests = await this.#manifests();
    if (this.format === 'json') this.write(`${jsonText(manifests, 2)}\n`);
    else if (this.format === 'name')
      this.write(manifests.map(({ name }) => `${String(name)}\n`).join(''));
    else this.write(yamlText(manifests));
    return 0;
  }

  async #manifests(): Promise<readonly Manifest[]> {
    const names = this.names.map((name) => checkName(name, 'task'));
    const isMeant = (kind: Kind): boolean =>
      this.kind.length === 0 ? kind !== 'Node' || names.length === 0 : this.kind.includes(kind);
    const manifests: Manifest[] = [];
    if (isMeant('Node')) {
      const { nodes = [] } = await this.query({ query: 'nodes' });
      manifests.push(...nodes.map(nodeManifest));
    }
    const { tasks = [] } = await this.query({ query: 'tasks', names });
    if (isMeant('Task')) manifests.push(...tasks.map(taskManifest));
    if (isMeant('Schedule')) {
      const known = new Set(tasks.map(({ task }) => task));
      const { schedules = [] } = await this.query({ query: 'schedules' });
      const living = schedules.filter(({ task, next = [], paused }) => {
        return known.has(task ?? '') && (next.length > 0 || paused === true);
      });
      manifests.push(...living.map(scheduleManifest));
    }
    return manifests;
  }
}
