/** `operation cancel`: withdraws what has not been carried out. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { views } from '../../views.ts';

export class OperationCancel extends AdminCommand {
  static override paths = [['admin', 'operation', 'cancel']];
  static override usage = Command.Usage({
    category: 'Operations',
    description: 'Withdraw what has not been carried out',
    details: 'What nodes have done already stays done.',
    examples: [['Take an order back', '$0 admin operation cancel O0123456789A']],
  });

  id = Option.String({ name: 'ID' });

  protected override async perform(): Promise<number> {
    const {
      operations: [operation],
    } = await this.ask('retCancel', {
      operation: this.id,
    });
    if (operation === undefined) return 1;
    if (this.format === 'json') return this.show(views.operation, operation);
    this.write(
      this.format === 'name' ? `${this.id}\n` : `${this.id}: ${operation.operationState}\n`,
    );
    return 0;
  }
}
