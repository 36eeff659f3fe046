/**
 * `lotc dissector`: prints the Wireshark module of this build, which the executable carries
 * (dissector.lua, its version filled in by scripts/build.ts). So the module that reads a fleet's
 * captures always knows the messages of the fleet's own build.
 */
import { Command } from 'clipanion';
import { asset } from './base/asset.io.ts';

export class DissectorCommand extends Command {
  static override paths = [['dissector']];
  static override usage = Command.Usage({
    description: 'Print the Wireshark module that belongs to this build',
    details:
      'Shows and analyses every message in Wireshark 4.0 to 4.6; docs/WIRESHARK.md is a tour.',
    examples: [
      [
        'Install it for oneself (tshark -G folders names the place)',
        'lotc dissector > ~/.local/lib/wireshark/plugins/lotc.lua',
      ],
    ],
  });

  async execute(): Promise<number> {
    const bytes = asset('dissector.lua');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.context.stdout.write(Buffer.from(bytes), (error) => (error ? reject(error) : resolve()));
    await promise;
    return 0;
  }
}

export const commands = [DissectorCommand];
