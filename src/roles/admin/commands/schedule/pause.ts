/** `schedule pause`: a schedule, a task's schedules or whole nodes rest until `resume`. */
import { Command } from 'clipanion';
import { ScheduleChange } from '../../schedule-change.ts';

export class SchedulePause extends ScheduleChange {
  static override paths = [['admin', 'schedule', 'pause']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Let schedules rest: the maintenance window',
    details:
      'Instants that fall into the pause are not missed: they are no instants. With `--on` ' +
      'alone all schedules of those nodes rest, also ones made meanwhile.',
    examples: [
      ['One schedule, everywhere', '$0 admin schedule pause nightly'],
      ['Everything in a zone', '$0 admin schedule pause --on zone=a'],
      ['A task on one node', '$0 admin schedule pause --task crawl --on n1'],
    ],
  });

  protected readonly mode = 'pause';
}
