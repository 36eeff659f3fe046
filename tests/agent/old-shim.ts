/**
 * Stands in for a shim of another version: `old-shim.ts SOCKET PID` serves the run whose main
 * process is PID in the words of version 1, with one in between that nobody has ever defined.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';

const [socket = '', pid = ''] = process.argv.slice(2);
const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
const now = (): string => `${process.hrtime.bigint()} ${BigInt(Date.now()) * 1_000_000n}`;
const told = [`hello 1 ${process.pid}`, `started ${pid} ${ticks} ${now()}`, 'weather fine 21'];
const peers = new Set<Socket>();
const server = createServer((peer) => {
  peers.add(peer);
  peer.write(`${told.join('\n')}\n`);
  peer.on('data', () => peer.write('error unknown-command\n'));
  peer.on('error', () => peers.delete(peer));
});
server.listen(socket);
setInterval(() => {
  if (existsSync(`/proc/${pid}`)) return;
  for (const peer of peers) peer.write(`exited code 5 0 0 100 ${now()}\nrecorded\ngone\n`);
  setTimeout(() => process.exit(0), 50);
}, 20);
