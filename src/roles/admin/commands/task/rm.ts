/** `task rm`: forgets a task; its history stays as long as retention says. */
import { Command, Option } from 'clipanion';
import { ActingCommand } from '../../acting.ts';
import { checkName } from '../../command.ts';

export class TaskRm extends ActingCommand {
  static override paths = [['admin', 'task', 'rm']];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Remove tasks',
    details:
      'Refused while the task runs, and while others start after it, unless `--force`, which stops it first.',
    examples: [
      ['Remove a task', '$0 admin task rm crawl'],
      ['Stop it, then remove it', '$0 admin task rm crawl --force --wait'],
    ],
  });

  force = Option.Boolean('--force', false, { description: 'Stop what runs' });
  names = Option.Rest({ name: 'NAME', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NAME');
    for (const name of names) checkName(name, 'task');
    return this.tell(
      await this.act('taskRm', { names, ...(this.force ? { force: true } : {}) }),
      'removed',
    );
  }
}
