/** `operation show`: one order and the answers to it. */
import { Command, Option } from 'clipanion';
import { LotcError } from '../../../../base/errors.ts';
import { AdminCommand } from '../../command.ts';
import { views } from '../../views.ts';

export class OperationShow extends AdminCommand {
  static override paths = [['admin', 'operation', 'show']];
  static override usage = Command.Usage({
    category: 'Operations',
    description: 'Show an operation and its answers',
    examples: [['Which nodes have answered', '$0 admin operation show O0123456789A --json']],
  });

  id = Option.String({ name: 'ID' });

  protected override async perform(): Promise<number> {
    const names = [this.id];
    const { operations: [operation] = [] } = await this.query({ query: 'operations', names });
    if (operation === undefined) {
      throw new LotcError('no-such-operation', `there is no operation "${this.id}"`, {
        hint: 'see: lotc admin operation ls',
      });
    }
    return this.show(views.operation, operation);
  }
}
