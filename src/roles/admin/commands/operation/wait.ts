/** `operation wait`: until every target has answered; ends as the verb with --wait would have. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { judgeAnswers } from '../../outcome.ts';
import { views } from '../../views.ts';

export class OperationWait extends AdminCommand {
  static override paths = [['admin', 'operation', 'wait']];
  static override usage = Command.Usage({
    category: 'Operations',
    description: 'Wait until an operation has ended',
    details: 'Ends with the code the verb would have ended with, given `--wait`.',
    examples: [
      ['Start now, wait later', 'id=$($0 admin start crawl) && $0 admin operation wait "$id"'],
    ],
  });

  id = Option.String({ name: 'ID' });
  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    const operation = this.id;
    const { answers, operations: [row] = [] } = await this.ask('retWait', { operation });
    const { complaints, exitCode } = judgeAnswers(row?.answers ?? answers ?? []);
    if (row !== undefined && this.format === 'json') this.show(views.operation, row);
    else this.write(this.format === 'name' ? `${this.id}\n` : `${this.id}: ${stateOf(row)}\n`);
    this.complain(complaints);
    return exitCode === 0 && stateOf(row) === 'cancelled' ? 8 : exitCode;
  }
}

const stateOf = (row: { readonly operationState: string } | undefined): string =>
  row?.operationState ?? 'done';
