/** `node rm`: revokes a node's identity; its name is free again. */
import { Command, Option } from 'clipanion';
import { type Acted, ActingCommand } from '../../acting.ts';
import { checkName } from '../../command.ts';

export class NodeRm extends ActingCommand {
  static override paths = [['admin', 'node', 'rm']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Remove nodes',
    details:
      'Revokes the identity of the node and frees its name. Refused while a process runs ' +
      'there, unless `--force`, which stops it.',
    examples: [['Remove a node for good', '$0 admin node rm n1']],
  });

  force = Option.Boolean('--force', false, { description: 'Stop what runs there' });
  names = Option.Rest({ name: 'NAME', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NAME');
    for (const name of names) checkName(name, 'node');
    const acted = await this.act('hostRm', { names, ...(this.force ? { force: true } : {}) });
    return this.tell(this.wait ? await this.#ended(acted) : acted, 'removed');
  }

  async #ended(acted: Acted): Promise<Acted> {
    const { operation } = acted;
    if (operation === undefined) return acted;
    const { answers } = await this.ask('retWait', { operation });
    return { operation, answers: answers ?? acted.answers };
  }
}
