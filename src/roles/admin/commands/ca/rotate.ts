/** `ca rotate`: another CA for the fleet, with an overlap in which both count. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';

export class CaRotate extends AdminCommand {
  static override paths = [['admin', 'ca', 'rotate']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'Begin, and with --finish end, the rotation of the fleet’s CA',
    details:
      'The new CA is made and told to nodes and people as they come; until --finish the server ' +
      'shows the old one’s certificate, so a node that is away meanwhile comes back as ever. ' +
      '--finish is refused (8) while somebody does not have the new one: see `ca status`. Tokens ' +
      'made before it are void then.',
    examples: [
      ['Begin', '$0 admin ca rotate'],
      ['End, when everybody has it', '$0 admin ca rotate --finish'],
    ],
  });

  finish = Option.Boolean('--finish', false, { description: 'The old CA counts no more' });
  force = Option.Boolean('--force', false, {
    description: 'With --finish: leave behind who does not have the new one; they join anew',
  });

  protected override async perform(): Promise<number> {
    const mode = this.finish ? 'finish' : 'rotate';
    const { unchanged } = await this.ask('depAuthority', { mode, force: this.force || undefined });
    if (unchanged === true) this.note('a rotation is under way already; see: lotc admin ca status');
    return 0;
  }
}
