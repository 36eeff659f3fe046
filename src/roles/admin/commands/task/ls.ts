/** `task ls`: all tasks, or the named ones. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { views } from '../../views.ts';

export class TaskLs extends AdminCommand {
  static override paths = [['admin', 'task', 'ls']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'List tasks',
    examples: [
      ['All tasks', '$0 admin task ls'],
      ['Their names, for a script', '$0 admin task ls -o name'],
    ],
  });

  names = Option.Rest({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const { tasks = [] } = await this.query({ query: 'tasks', names: this.names });
    return this.list(views.task, tasks);
  }
}
