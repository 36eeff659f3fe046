/** `task diff`, `diff`: what `apply` would change. */
import { Command } from 'clipanion';
import { ManifestCommand } from '../../manifest/command.ts';

const CHANGES = 1;

export class TaskDiff extends ManifestCommand {
  static override paths = [
    ['admin', 'task', 'diff'],
    ['admin', 'diff'],
  ];
  static override usage = Command.Usage({
    category: 'Manifests',
    description: 'Tell what apply would change: -f FILE|-|DIR',
    details:
      'Changes nothing. Ends with 1 where there are changes, with 0 where there are none; what ' +
      'apply would refuse, it refuses too.',
    examples: [['Is the fleet as the file says?', '$0 admin diff -f tasks.yaml']],
  });

  protected override async perform(): Promise<number> {
    const documents = await this.documents();
    const changes = await this.changes(documents, true);
    this.tell(changes, documents.length, false);
    return changes.length === 0 ? 0 : CHANGES;
  }
}
