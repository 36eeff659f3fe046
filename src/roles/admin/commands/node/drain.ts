/** `node drain`: nothing starts on a node any more, and what serves there is stopped. */
import { Command } from 'clipanion';
import { DrainingCommand } from '../../draining.ts';

export class NodeDrain extends DrainingCommand {
  static override paths = [['admin', 'node', 'drain']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Let nodes run empty: what may move begins elsewhere',
    details:
      'Nothing is placed or started there, by hand or by schedule. Instances (`--instances`) are ' +
      'stopped by their grace and then begin on other nodes; services without are stopped until ' +
      '`node undrain`; runs that end by themselves are let end. With `--wait` it returns when ' +
      'nothing runs there.',
    examples: [['Before a reboot', '$0 admin node drain n4 --wait --timeout 10m']],
  });

  protected readonly mode = 'drain';
  protected readonly done = 'drained';
}
