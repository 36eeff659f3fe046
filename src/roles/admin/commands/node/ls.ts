/** `node ls`, `nodes`: all nodes and how they are. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName, checkOn } from '../../command.ts';
import { views } from '../../views.ts';

export class NodeLs extends AdminCommand {
  static override paths = [
    ['admin', 'node', 'ls'],
    ['admin', 'nodes'],
  ];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'List nodes',
    examples: [
      ['All nodes', '$0 admin nodes'],
      ['The nodes of a zone', '$0 admin node ls --on zone=a -o wide'],
    ],
  });

  on = Option.String('--on', { description: 'Only these (a selector)' });
  names = Option.Rest({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on);
    const { nodes = [] } = await this.query({
      query: 'nodes',
      names: this.names.map((name) => checkName(name, 'node')),
      ...(on === undefined ? {} : { on }),
    });
    return this.list(views.node, nodes);
  }
}
