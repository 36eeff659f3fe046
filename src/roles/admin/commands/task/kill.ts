/** `task kill`, `kill`: ends the whole tree at once, or sends another signal. */
import { Command, Option } from 'clipanion';
import { parseSignal } from '../../../../base/signals.ts';
import type { Acted } from '../../acting.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskKill extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'kill'],
    ['admin', 'kill'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'End processes at once, or send a signal',
    details:
      'Kills the whole tree. With `--signal` it sends that signal to the main process and ' +
      `changes nothing else. ${AWAY} ${SCHEDULED}`,
    examples: [
      ['End a task at once', '$0 admin kill crawl --wait'],
      ['Make a program read its configuration again', '$0 admin kill web --signal HUP'],
      ['Every hour, a signal', "$0 admin kill web --signal HUP --cron '0 * * * *'"],
    ],
  });

  signal = Option.String('--signal', { description: 'Send this signal instead, for instance HUP' });

  protected get done(): string {
    return this.signal === undefined ? 'killed' : 'signal sent';
  }

  protected order(aimed: Aimed): Promise<Acted> {
    const signal = this.signal === undefined ? undefined : parseSignal(this.signal, '--signal');
    return this.act('taskKill', {
      ...aimed,
      mode: 'kill',
      ...(signal === undefined ? {} : { signal }),
    });
  }
}
