/** `bundle ls`: all bundles and where they are. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { views } from '../../views.ts';

export class BundleLs extends AdminCommand {
  static override paths = [['admin', 'bundle', 'ls']];
  static override usage = Command.Usage({
    category: 'Bundles',
    description: 'List bundles',
    examples: [['What is loaded where', '$0 admin bundle ls -o wide']],
  });

  names = Option.Rest({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = this.names.map((name) => checkName(name, 'bundle'));
    const { bundles = [] } = await this.query({ query: 'bundles', names });
    return this.list(views.bundle, bundles);
  }
}
