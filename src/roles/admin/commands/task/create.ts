/** `task create`: defines a task. The same again is success, another content under its name 8. */
import { Command } from 'clipanion';
import { TaskDefinition } from '../../definition.ts';
import { views } from '../../views.ts';

export class TaskCreate extends TaskDefinition {
  static override paths = [['admin', 'task', 'create']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Define a task: NAME [options] -- CMD ARG…',
    details:
      'A task is what to run, where, and as whom. Nothing starts yet. Creating what exists ' +
      'with the same content is success; with another content it is refused.',
    examples: [
      ['A program of a bundle', '$0 admin task create crawl --bundle crawler -- ./crawl --depth 3'],
      [
        'Only in one zone',
        '$0 admin task create web --on zone=a -- /usr/sbin/nginx -g "daemon off;"',
      ],
      [
        'Started once another has succeeded and a third is ready',
        '$0 admin task create api --after migrate --after cache:ready -- ./api',
      ],
      [
        'Restarted when it is silent for 5 s (lotc-notify WATCHDOG=1)',
        '$0 admin task create crawl --watchdog 5s -- ./crawl',
      ],
      [
        'Restarted when it does not answer three times in a row',
        '$0 admin task create web --health-http http://localhost:8080/ok --health-every 5s -- ./web',
      ],
    ],
  });

  protected override async perform(): Promise<number> {
    const spec = await this.spec(undefined);
    const enabled = this.disabled ? { enabled: false } : {};
    const { tasks } = await this.ask('taskAdd', {
      ...{ task: this.task(), spec, mode: 'create' },
      ...enabled,
    });
    return this.defined(tasks, views.task);
  }
}
