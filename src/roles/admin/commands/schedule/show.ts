/** `schedule show`: the rule of a schedule, its next instants, and where it rests. */
import { Command, Option } from 'clipanion';
import { AdminCommand } from '../../command.ts';
import { scheduleView } from '../../schedule-views.ts';

export class ScheduleShow extends AdminCommand {
  static override paths = [['admin', 'schedule', 'show']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Show schedules',
    examples: [['When it fires next', "$0 admin schedule show nightly --json | jq -r '.next[0]'"]],
  });

  ids = Option.Rest({ name: 'ID', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.ids, 'ID');
    const { schedules = [] } = await this.query({ query: 'schedules', names });
    const [only] = schedules;
    if (schedules.length === 1 && only) return this.show(scheduleView, only);
    return this.list(scheduleView, schedules);
  }
}
