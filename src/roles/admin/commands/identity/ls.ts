/** `identity ls`: who may come in, nodes included. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { identityView } from '../../records.ts';

export class IdentityLs extends AdminCommand {
  static override paths = [['admin', 'identity', 'ls']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'List who may do what',
    details: 'People and programs at a console, and nodes; also those that were revoked.',
    examples: [
      ['Everybody', '$0 admin identity ls'],
      ['Who may command everything', '$0 admin identity ls --role admin'],
    ],
  });

  role = Option.String('--role', { description: 'Only of this role' });

  protected override async perform(): Promise<number> {
    const { identities = [] } = await this.query({ query: 'identities' });
    const { role } = this;
    const shown = identities.filter((one) => role === undefined || one.role === role);
    return this.list(identityView, shown);
  }
}
