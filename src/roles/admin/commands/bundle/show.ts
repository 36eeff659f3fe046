/** `bundle show`: digest, size and presence on each node. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName } from '../../command.ts';
import { views } from '../../views.ts';

export class BundleShow extends AdminCommand {
  static override paths = [['admin', 'bundle', 'show']];
  static override usage = Command.Usage({
    category: 'Bundles',
    description: 'Show a bundle and where it is',
    examples: [['Which nodes have it', "$0 admin bundle show crawler --json | jq '.nodes'"]],
  });

  name = Option.String({ name: 'NAME' });

  protected override async perform(): Promise<number> {
    const names = [checkName(this.name, 'bundle')];
    const { bundles: [bundle] = [] } = await this.query({ query: 'bundles', names });
    return bundle === undefined ? 1 : this.show(views.bundle, bundle);
  }
}
