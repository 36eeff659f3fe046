/** `task stop`, `stop`: TERM, the grace, KILL. */
import { Command } from 'clipanion';
import type { Acted } from '../../acting.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskStop extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'stop'],
    ['admin', 'stop'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'End processes gracefully',
    details:
      `Sends the task's stop signal (TERM), waits for its grace (10s), then kills the whole ` +
      `tree. What does not run is fine. ${AWAY} ${SCHEDULED}`,
    examples: [
      ['Stop a task and wait until it is gone', '$0 admin stop crawl --wait'],
      ['Stop one run', '$0 admin stop R0123456789A'],
      ['In ten minutes', '$0 admin stop crawl --in 10m'],
    ],
  });

  protected readonly done = 'ended';

  protected order(aimed: Aimed): Promise<Acted> {
    return this.act('taskKill', { ...aimed, mode: 'stop' });
  }
}
