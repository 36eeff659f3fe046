/** `node label`: sets (`K=V`) and takes away (`K-`) labels of a node. */
import { Command, Option } from 'clipanion';
import { labelFault } from '../../../../base/selector.ts';
import { AdminCommand, checkName, usage } from '../../command.ts';
import { views } from '../../views.ts';

export class NodeLabel extends AdminCommand {
  static override paths = [['admin', 'node', 'label']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Set and take away labels: NAME K=V… K-…',
    examples: [
      ['Put a node into a zone', '$0 admin node label n1 zone=a'],
      ['Take a label away', '$0 admin node label n1 zone-'],
    ],
  });

  name = Option.String({ name: 'NAME' });
  changes = Option.Rest({ name: 'LABEL', required: 1 });

  protected override async perform(): Promise<number> {
    const labels = parseLabels(this.changes.filter((change) => change.includes('=')));
    const labelsRemoved: string[] = [];
    for (const change of this.changes) {
      if (change.includes('=')) continue;
      const key = change.slice(0, -1);
      if (!change.endsWith('-') || labelFault(key, '') !== undefined) {
        throw usage(`"${change}" is neither K=V nor K-`);
      }
      labelsRemoved.push(key);
    }
    const {
      nodes: [node],
    } = await this.ask('hostState', {
      node: checkName(this.name, 'node'),
      labels,
      labelsRemoved,
    });
    if (this.format === 'json' && node !== undefined) return this.show(views.node, node);
    this.write(`${this.name}\n`);
    return 0;
  }
}

export function parseLabels(pairs: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const fault = at < 0 ? 'a label is K=V' : labelFault(key, value);
    if (fault !== undefined) throw usage(`label "${pair}": ${fault}`);
    labels[key] = value;
  }
  return labels;
}
