/** `task disable`: the task does not start any more; what runs goes on. */
import { Command } from 'clipanion';
import { MarkCommand } from '../../mark.ts';

export class TaskDisable extends MarkCommand {
  static override paths = [['admin', 'task', 'disable']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Keep tasks from starting',
    details: 'What runs goes on; nothing of these tasks starts until `task enable`.',
    examples: [['Disable a task', '$0 admin task disable crawl']],
  });

  protected readonly kind = 'taskNok';
  protected readonly done = 'disabled';
}
