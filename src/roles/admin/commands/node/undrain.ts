/** `node undrain`: a node is used again; what was taken from it by draining begins there. */
import { Command } from 'clipanion';
import { DrainingCommand } from '../../draining.ts';

export class NodeUndrain extends DrainingCommand {
  static override paths = [['admin', 'node', 'undrain']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Use nodes again that were drained',
    details:
      'Services that draining stopped there begin again; instances that have moved stay where ' +
      'they are, and those that found no node are placed.',
    examples: [['After the reboot', '$0 admin node undrain n4']],
  });

  protected readonly mode = 'undrain';
  protected readonly done = 'in use again';
}
