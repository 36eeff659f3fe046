/** `node show`: one node. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { views } from '../../views.ts';

export class NodeShow extends AdminCommand {
  static override paths = [['admin', 'node', 'show']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Show a node',
    examples: [['Is it there', '$0 admin node show n1 --json | jq -r .state']],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = [checkName(this.name, 'node')];
    const { nodes: [node] = [] } = await this.query({ query: 'nodes', names });
    return node === undefined ? 1 : this.show(views.node, node);
  }
}
