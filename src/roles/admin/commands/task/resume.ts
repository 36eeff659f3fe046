/** `task resume`, `resume`: thaws what `suspend` froze. */
import { Command, Option } from 'clipanion';
import type { Acted } from '../../acting.ts';
import { durationOf } from '../../command.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskResume extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'resume'],
    ['admin', 'resume'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Let suspended processes go on',
    details: `Thaws what \`suspend\` froze. ${AWAY} ${SCHEDULED}`,
    examples: [
      ['Let a task go on', '$0 admin resume crawl --wait'],
      ['On one node only', '$0 admin resume crawl@n1'],
      ['Every morning', "$0 admin resume crawl --cron '0 7 * * *' --tz local"],
    ],
  });

  expires = Option.String('--expires', {
    description: 'For a node that is away: the order ends after this long (default 10m)',
  });
  protected readonly done = 'running';

  protected order(aimed: Aimed): Promise<Acted> {
    const expiresMs = durationOf(this.expires, '--expires');
    return this.act('taskCont', { ...aimed, ...(expiresMs === undefined ? {} : { expiresMs }) });
  }
}
