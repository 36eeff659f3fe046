/** `task show`: one task with all that defines it. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { views } from '../../views.ts';

export class TaskShow extends AdminCommand {
  static override paths = [['admin', 'task', 'show']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Show a task',
    examples: [['What defines a task', '$0 admin task show crawl --json']],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = [checkName(this.name, 'task')];
    const { tasks: [task] = [] } = await this.query({ query: 'tasks', names });
    return task === undefined ? 1 : this.show(views.task, task);
  }
}
