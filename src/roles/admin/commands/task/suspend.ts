/** `task suspend`, `suspend`: freezes the whole process tree. */
import { Command, Option } from 'clipanion';
import type { Acted } from '../../acting.ts';
import { durationOf } from '../../command.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskSuspend extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'suspend'],
    ['admin', 'suspend'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Freeze running processes',
    details: `Freezes every process of the run, grandchildren too, until \`resume\`. ${AWAY} ${SCHEDULED}`,
    examples: [
      ['Freeze a task everywhere', '$0 admin suspend crawl --wait'],
      [
        'Freeze all that runs in a zone',
        '$0 admin ps -o name --state running --on zone=a | $0 admin suspend -',
      ],
      ['At one instant on every node', '$0 admin suspend crawl --at 2026-12-24T12:00:00Z'],
    ],
  });

  expires = Option.String('--expires', {
    description: 'For a node that is away: the order ends after this long (default 10m)',
  });
  protected readonly done = 'suspended';

  protected order(aimed: Aimed): Promise<Acted> {
    const expiresMs = durationOf(this.expires, '--expires');
    return this.act('taskStop', { ...aimed, ...(expiresMs === undefined ? {} : { expiresMs }) });
  }
}
