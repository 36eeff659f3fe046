/** `ca status`: the fleet's CA, and during a rotation who has the next one. */
import { Command } from 'clipanion';
import type { Shape } from '../../../../net/layout.ts';
import { orNull, second, text, time, type View } from '../../cells.ts';
import { AdminCommand } from '../../command.ts';

const caView: View<Shape<'ca'>> = {
  name: (row) => row.pin,
  json: (row) => ({
    stage: row.stage,
    pin: row.pin,
    nextPin: orNull(row.nextPin),
    since: time(row.at),
    have: row.holders ?? [],
    lack: row.lackers ?? [],
  }),
  columns: [
    { title: 'STAGE', text: (row) => row.stage },
    { title: 'PIN', text: (row) => row.pin },
    { title: 'NEXT', text: (row) => text(row.nextPin) },
    { title: 'SINCE', text: (row) => second(row.at) },
    { title: 'HAVE IT', text: (row) => (row.holders ?? []).join(', ') },
    { title: 'LACK IT', text: (row) => (row.lackers ?? []).join(', ') },
  ],
};

export class CaStatus extends AdminCommand {
  static override paths = [['admin', 'ca', 'status']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'Show the fleet’s CA, and how far its rotation is',
    details:
      'A pin is the SHA-256 of a CA’s key, as join tokens have it. During a rotation it says who ' +
      'has the next CA and who does not: nodes get it within seconds when they are here, people ' +
      'with their next command.',
    examples: [['Who would be left behind', '$0 admin ca status --json']],
  });

  protected override async perform(): Promise<number> {
    const { ca } = await this.query({ query: 'ca' });
    return ca ? this.show(caView, ca) : 1;
  }
}
