/** `task set`: changes what is given of a task and leaves the rest. */
import { Command } from 'clipanion';
import { TaskDefinition } from '../../definition.ts';
import { views } from '../../views.ts';

export class TaskSet extends TaskDefinition {
  static override paths = [['admin', 'task', 'set']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Change a task: NAME [options] [-- CMD ARG…]',
    details:
      'Changes the options given; the others stay. `--env K-` takes a variable out; an empty ' +
      'value takes out `--bundle`, `--on`, `--user` or `--cwd`. A running process goes on as ' +
      'it is until it is restarted.',
    examples: [
      ['Another command line', '$0 admin task set crawl -- ./crawl --depth 5'],
      ['Another user and variable', '$0 admin task set web --user www --env MODE=fast'],
    ],
  });

  protected override async perform(): Promise<number> {
    this.checkOptions();
    const { tasks: [old] = [] } = await this.query({ query: 'tasks', names: [this.task()] });
    const spec = await this.spec(old?.spec);
    const enabled = this.disabled ? { enabled: false } : {};
    const { tasks } = await this.ask('taskAdd', {
      ...{ task: this.task(), spec, mode: 'set' },
      ...enabled,
    });
    return this.defined(tasks, views.task);
  }
}
