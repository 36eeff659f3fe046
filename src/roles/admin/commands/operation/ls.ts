/** `operation ls`: orders given, and how far they are. */
import { Command } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { views } from '../../views.ts';

export class OperationLs extends AdminCommand {
  static override paths = [['admin', 'operation', 'ls']];
  static override usage = Command.Usage({
    category: 'Operations',
    description: 'List operations',
    details: 'Each order given is an operation; it ends when every target has answered.',
    examples: [['What was ordered', '$0 admin operation ls']],
  });

  protected override async perform(): Promise<number> {
    const { operations = [] } = await this.query({ query: 'operations' });
    return this.list(views.operation, operations);
  }
}
