/** The server's door: how many come in a second, against bare TLS of the same Node. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { digits, inTurns, median, type Row } from '../measure.ts';
import { Bare, openSession, Rig } from '../rig.ts';

const ROUNDS = 3;
const TURN_MS = 3_000;
const LANES = 16;

/** How often in a second `one` is done, by so many at once. */
async function rate(one: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - begun < TURN_MS) {
      await one();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return (done * 1_000) / (performance.now() - begun);
}

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
        rate(async () => {
          const link = await openSession(identity);
          await link.close();
        }),
      () => rate(() => bareHandshake(bare)),
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
