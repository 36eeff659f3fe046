/** `token rm`: a token nobody shall use any more. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';

export class TokenRm extends AdminCommand {
  static override paths = [['admin', 'token', 'rm']];
  static override usage = Command.Usage({
    category: 'Tokens',
    description: 'Remove join tokens',
    details: 'Nodes that have joined with them stay.',
    examples: [['Remove a token by its id', '$0 admin token rm 0a1b2c3d']],
  });

  ids = Option.Rest({ name: 'ID', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.ids, 'ID');
    await this.ask('hostTokenRm', { names });
    this.write(names.map((id) => `${id}\n`).join(''));
    return 0;
  }
}
