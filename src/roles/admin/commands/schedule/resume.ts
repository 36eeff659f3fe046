/** `schedule resume`: what `pause` let rest fires again, from its next instant on. */
import { Command } from 'clipanion';
import { ScheduleChange } from '../../schedule-change.ts';

export class ScheduleResume extends ScheduleChange {
  static override paths = [['admin', 'schedule', 'resume']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Let paused schedules fire again',
    details:
      'By id or task it ends their pauses everywhere, with `--on` those on the nodes. A node ' +
      'that rests as a whole is resumed with `--on` alone.',
    examples: [
      ['One schedule', '$0 admin schedule resume nightly'],
      ['The end of the maintenance window', '$0 admin schedule resume --on zone=a'],
    ],
  });

  protected readonly mode = 'resume';
}
