/** `task history`: the runs of a task, newest first, also of one that was removed. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName, countOf } from '../../command.ts';
import { views } from '../../views.ts';

export class TaskHistory extends AdminCommand {
  static override paths = [['admin', 'task', 'history']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'List the runs of a task, newest first',
    details: 'As far back as retention keeps them, also of a task that was removed.',
    examples: [
      ['The runs of a task', '$0 admin task history crawl'],
      ['The last exit code', "$0 admin task history crawl --limit 1 --json | jq '.[0].exitCode'"],
    ],
  });

  limit = Option.String('--limit', { description: 'At most so many runs' });
  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const limit = countOf(this.limit, '--limit');
    const { processes = [] } = await this.query({
      query: 'history',
      task: checkName(this.name, 'task'),
      ...(limit === undefined ? {} : { limit }),
    });
    if (processes.length === 0) await this.mustKnow(this.name);
    return this.list(views.process, processes);
  }
}
