/** A path for the clock's row, in a process of its own: nothing else of the bench delays it. */
import { relay } from '../tests/clock/relay.ts';

const [port, outMs, backMs, jitterMs, loss] = process.argv.slice(2).map(Number);
const path = {
  ...{ outMs: outMs ?? 0, backMs: backMs ?? 0, jitterMs: jitterMs ?? 0, loss: loss ?? 0 },
};
const door = await relay({ address: '127.0.0.1', port: port ?? 0 }, path, 7);
process.stdout.write(`${door.port}\n`);
