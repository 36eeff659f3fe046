/** `task graph`: what starts after what, with the states of the processes. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { dotText, graphOf, mermaidText, treeText, vertexJson } from '../../graph.ts';
import type { Format } from '../../render.ts';

const drawings = { tree: treeText, dot: dotText, mermaid: mermaidText } as const;
type Drawing = keyof typeof drawings;

const isDrawing = (word: string | undefined): word is Drawing =>
  word !== undefined && Object.hasOwn(drawings, word);

/** What lives, and of what has ended the latest of each task on each node. */
const states = [
  ...['pending', 'armed', 'running', 'suspended', 'stopping'],
  ...['exited', 'failed', 'lost'],
];

export class TaskGraph extends AdminCommand {
  static override paths = [['admin', 'task', 'graph']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Draw what starts after what, with states',
    details: `
      All tasks that depend on others or are depended on; with NAME those that one hangs together
      with. As a \`tree\` (the default), for Graphviz (\`-o dot\`), as \`-o mermaid\`, or as JSON.
      Each task stands below what it starts after; \`…\`: what follows it stands further up.
    `,
    examples: [
      ['All dependencies', '$0 admin task graph'],
      ['What one task needs and what needs it', '$0 admin task graph web'],
      ['As a picture', '$0 admin task graph -o dot | dot -Tsvg > tasks.svg'],
    ],
  });

  name = Option.String({ name: 'NAME', required: false });

  /** A drawing is a form of output that no other command has. */
  protected override get format(): Format {
    return !this.json && isDrawing(this.output) ? 'table' : super.format;
  }

  protected override async perform(): Promise<number> {
    const name = this.name === undefined ? undefined : checkName(this.name, 'task');
    // Refused where it is not there.
    if (name !== undefined) await this.query({ query: 'tasks', names: [name] });
    const { tasks = [] } = await this.query({ query: 'tasks' });
    const { processes = [] } = await this.query({ query: 'processes', states });
    const graph = graphOf(tasks, processes, name);
    const vertices = [...graph.values()];
    if (this.format === 'json') this.write(`${JSON.stringify(vertices.map(vertexJson))}\n`);
    else if (this.format === 'name') this.write(vertices.map((one) => `${one.name}\n`).join(''));
    else this.write(drawings[isDrawing(this.output) ? this.output : 'tree'](graph));
    return 0;
  }
}
