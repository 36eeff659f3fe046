/** `task enable`: a disabled task may start again. */
import { Command } from 'clipanion';
import { MarkCommand } from '../../mark.ts';

export class TaskEnable extends MarkCommand {
  static override paths = [['admin', 'task', 'enable']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Let disabled tasks start again',
    examples: [['Enable two tasks', '$0 admin task enable crawl import']],
  });

  protected readonly kind = 'taskOk';
  protected readonly done = 'enabled';
}
