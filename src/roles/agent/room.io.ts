/** What the machine has, less what the operator keeps from tasks. */
import { availableParallelism, totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import type { Log } from '../../base/log.io.ts';
import { type Claims, type Room, roomOf } from '../../supervisor/room.ts';

export function nodeRoom(claims: Claims, log: Log): Room {
  const total = totalmem();
  // A container is told what it may use by its control group; without one it is nothing, or huge.
  const bound = constrainedMemory() || total;
  const machine = { cores: availableParallelism(), memoryBytes: Math.min(total, bound) };
  const room = roomOf(machine, claims);
  for (const kind of ['cores', 'memoryBytes'] as const) {
    if ((claims[kind] ?? 0) <= machine[kind]) continue;
    log('warn', '--reserve keeps all of it, and more', { kind, has: machine[kind] });
  }
  return room;
}
