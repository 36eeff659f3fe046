/** `schedule rm`: it fires no more, anywhere; its firings stay in the ledger. */
import { Command } from 'clipanion';
import { ScheduleChange } from '../../schedule-change.ts';

export class ScheduleRm extends ScheduleChange {
  static override paths = [['admin', 'schedule', 'rm']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Remove schedules',
    details:
      'What it started goes on. A node that is away fires it until it is back: removing is an ' +
      'order like any other. Past firings stay in the ledger.',
    examples: [
      ['One', '$0 admin schedule rm nightly'],
      ['All of a task', '$0 admin schedule rm --task crawl'],
    ],
  });

  protected readonly mode = 'rm';
}
