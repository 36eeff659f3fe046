/** `bundle rm`, `unload`: code off the nodes and the server. */
import { Command, Option } from 'clipanion';
import { checkName, checkOn } from '../../command.ts';
import { TimedCommand } from '../../timed.ts';

export class BundleRm extends TimedCommand {
  static override paths = [
    ['admin', 'bundle', 'rm'],
    ['admin', 'unload'],
  ];
  static override usage = Command.Usage({
    category: 'Bundles',
    description: 'Remove code from nodes and server',
    details: 'Refused while a task or a process uses it, unless `--force`, which stops it.',
    examples: [
      ['Remove a bundle everywhere', '$0 admin unload crawler --wait'],
      ['From one node only', '$0 admin unload crawler --on n1'],
      ['Tonight', '$0 admin unload crawler --at 2026-12-24T23:00:00Z'],
    ],
  });

  on = Option.String('--on', { description: 'Only from these nodes (a selector)' });
  force = Option.Boolean('--force', false, { description: 'Stop what uses it' });
  names = Option.Rest({ name: 'NAME', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NAME');
    for (const name of names) checkName(name, 'bundle');
    const on = checkOn(this.on);
    const acted = await this.act('fileRm', {
      names,
      ...(on === undefined ? {} : { on }),
      ...(this.force ? { force: true } : {}),
      ...this.timed(),
    });
    return this.tell(acted, 'removed');
  }
}
