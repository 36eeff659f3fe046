/** `schedule ls`: all schedules, or those of a task. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { scheduleView } from '../../schedule-views.ts';

export class ScheduleLs extends AdminCommand {
  static override paths = [['admin', 'schedule', 'ls']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'List schedules',
    details:
      'A schedule is made by a verb with `--at`, `--in`, `--every` or `--cron`. One that has ' +
      'fired for the last time is listed for a day.',
    examples: [
      ['All schedules', '$0 admin schedule ls'],
      ['Those of a task, by id', '$0 admin schedule ls --task crawl -o name'],
    ],
  });

  task = Option.String('--task', { description: 'Only of this task' });
  ids = Option.Rest({ name: 'ID' });

  protected override async perform(): Promise<number> {
    const { schedules = [] } = await this.query({
      query: 'schedules',
      names: this.ids,
      ...(this.task === undefined ? {} : { task: checkName(this.task, '--task') }),
    });
    return this.list(scheduleView, schedules);
  }
}
