/** `token ls`: join tokens, without their secrets. */
import { Command } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { views } from '../../views.ts';

export class TokenLs extends AdminCommand {
  static override paths = [['admin', 'token', 'ls']];
  static override usage = Command.Usage({
    category: 'Tokens',
    description: 'List join tokens',
    details: 'Their ids, uses and ends; nobody but their maker ever had their secrets.',
    examples: [['All tokens', '$0 admin token ls']],
  });

  protected override async perform(): Promise<number> {
    const { tokens = [] } = await this.query({ query: 'tokens' });
    return this.list(views.token, tokens);
  }
}
