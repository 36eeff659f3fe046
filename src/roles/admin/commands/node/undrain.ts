/** `node undrain`: a node is used again; what was taken from it by draining begins there. */
import { Command, Option } from 'clipanion';
import { ActingCommand } from '../../acting.ts';
import { checkName } from '../../command.ts';

export class NodeUndrain extends ActingCommand {
  static override paths = [['admin', 'node', 'undrain']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Use nodes again that were drained',
    details:
      'Services that draining stopped there begin again; instances that have moved stay where ' +
      'they are, and those that found no node are placed.',
    examples: [['After the reboot', '$0 admin node undrain n4']],
  });

  names = Option.Rest({ name: 'NODE', required: 1 });

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NODE');
    for (const name of names) checkName(name, 'node');
    return this.tell(await this.act('depDrain', { mode: 'undrain', names }), 'in use again');
  }
}
