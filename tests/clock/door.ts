/**
 * Paths to a time server in a process of its own: nothing else delays them. Words: the server's
 * address, which is also where the paths begin, its port, delay out and back, jitter, loss, and
 * how many paths. Each has a seed of its own. Prints their ports.
 */
import { relay } from './relay.ts';

const [address = '127.0.0.1', ...numbers] = process.argv.slice(2);
const [port = 0, outMs = 0, backMs = 0, jitterMs = 0, loss = 0, count = 1] = numbers.map(Number);
const path = { outMs, backMs, jitterMs, loss };
const doors = await Promise.all(
  Array.from({ length: count }, (_, n) => relay({ address, port }, path, 7 + n, address)),
);
process.stdout.write(`${doors.map((door) => door.port).join(' ')}\n`);
