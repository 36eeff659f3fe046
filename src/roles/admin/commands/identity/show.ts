/** `identity show`: one identity. */
import { Command, Option } from 'clipanion';
import { LotcError } from '../../../../base/errors.ts';
import { AdminCommand } from '../../command.ts';
import { identityView } from '../../records.ts';

export class IdentityShow extends AdminCommand {
  static override paths = [['admin', 'identity', 'show']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'Show what one identity may do',
    details: 'Of several with one name, the one that counts.',
    examples: [['One person', '$0 admin identity show ann']],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const { identities = [] } = await this.query({ query: 'identities' });
    const named = identities.filter(({ identity }) => identity === this.name);
    const rank = ({ role, revoked }: (typeof named)[number]): number =>
      (revoked ? 2 : 0) + (role === 'agent' ? 1 : 0);
    const [row] = named.toSorted((a, b) => rank(a) - rank(b));
    if (row) return this.show(identityView, row);
    throw new LotcError('nothing-matches', `there is no identity "${this.name}"`, {
      hint: 'see: lotc admin identity ls',
    });
  }
}
