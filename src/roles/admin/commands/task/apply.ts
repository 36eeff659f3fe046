/** `task apply`, `apply`: makes it so as manifests say, all of it or nothing. */
import { Command, Option } from 'clipanion';
import { ManifestCommand } from '../../manifest/command.ts';

export class TaskApply extends ManifestCommand {
  static override paths = [
    ['admin', 'task', 'apply'],
    ['admin', 'apply'],
  ];
  static override usage = Command.Usage({
    category: 'Manifests',
    description: 'Make tasks, schedules and labels as files say: -f FILE|-|DIR',
    details:
      'Documents of the kinds Task, Schedule and Node, in YAML or JSON, several a file. All of ' +
      'them take effect at once, or none does; what is so already is left alone. A running ' +
      'process goes on as it was started until it is restarted.',
    examples: [
      ['What a file says', '$0 admin apply -f tasks.yaml'],
      ['What it would change', '$0 admin apply -f tasks.yaml --dry-run'],
      [
        'A directory, and nothing else of its names',
        "$0 admin apply -f fleet/ --prune --selector 'crawl*'",
      ],
      ['Only if nobody changed it meanwhile', '$0 admin apply -f crawl.yaml --if-revision 3'],
      ['One fleet as another', '$0 admin export | $0 admin --identity other.json apply -f -'],
    ],
  });

  dryRun = Option.Boolean('--dry-run', false, { description: 'Tell what would change; exit 0' });

  protected override async perform(): Promise<number> {
    const documents = await this.documents();
    const changes = await this.changes(documents, this.dryRun);
    this.tell(changes, documents.length, !this.dryRun);
    return 0;
  }
}
