/** `identity revoke`: a key whose word shall not count any more. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { judgeAnswers } from '../../outcome.ts';

export class IdentityRevoke extends AdminCommand {
  static override paths = [['admin', 'identity', 'revoke']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'Revoke identities; their sessions end at once',
    details:
      'What a revoked person started goes on until somebody decides otherwise. The last admin ' +
      'is not revoked without --force.',
    examples: [['A laptop that was lost', '$0 admin identity revoke ann']],
  });

  force = Option.Boolean('--force', false, { description: 'Also the last admin' });
  names = Option.Rest({ name: 'NAME', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NAME');
    const force = this.force ? { force: true } : {};
    const { answers } = await this.ask('depIdentity', { mode: 'revoke', names, ...force });
    const { complaints, exitCode } = judgeAnswers(answers);
    const done = [...new Set(names)].filter((_, index) => answers[index]?.ok);
    this.write(done.map((name) => `${name}\n`).join(''));
    this.complain(complaints);
    return exitCode;
  }
}
