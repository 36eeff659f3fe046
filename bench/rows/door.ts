/** The server's door: how many come in a second, against bare TLS of the same Node. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { digits, inTurns, median, perSecond, type Row } from '../measure.ts';
import { Bare, openSession, Rig } from '../rig.ts';

const ROUNDS = 3;
const TURN_MS = 3_000;
const LANES = 16;

/** TLS, one question, one answer. */
async function bareHandshake(bare: Bare): Promise<void> {
  const reach = JSON.parse(readFileSync(bare.path('client.json'), 'utf8')) as object;
  const socket = connect({ ...reach, checkServerIdentity: () => undefined });
  await once(socket, 'secureConnect');
  socket.write('x');
  await once(socket, 'data');
  socket.destroy();
}

export const handshakes: Row = {
  name: 'handshakes',
  limitMs: 300_000,
  async run() {
    await using rig = await Rig.open();
    await using bare = await Bare.open();
    const { identity } = rig;
    const [ours = [], floor = []] = await inTurns(ROUNDS, [
      () =>
        perSecond(LANES, TURN_MS, async () => {
          const link = await openSession(identity);
          await link.close();
        }),
      () => perSecond(LANES, TURN_MS, () => bareHandshake(bare)),
    ]);
    const part = median(ours) / median(floor);
    return [
      {
        what: `sessions begun a second (handshake, HELLO, WELCOME), ${LANES} at once, client and server on one machine`,
        figure: `${digits(median(ours))}/s`,
        against: `bare TLS of Node, one question and answer: ${digits(median(floor))}/s`,
        result: `${part.toFixed(2)}×`,
        goal: '≥ 0.7×',
        met: part >= 0.7,
      },
    ];
  },
};
