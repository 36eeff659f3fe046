/** How a launch is ended, and what its end leads to: whether the run lives again, and when. */
import { crc32 } from 'node:zlib';
import type { Process } from '../../supervisor/process.ts';
import { judgeEnd, policyOf, type Revival } from '../../supervisor/restart.ts';
import type { Item, Time } from './events.ts';

const MICROSECONDS = 1_000;

export function signalOf({ stop, ending }: Process): string {
  return ending?.signal ?? stop.signal;
}

export function revivalOf(process: Process, order: Item, { atUs }: Time): Revival {
  const { wish, exitCode, signal, reason, tail, state, startedAt, exitedAt = atUs } = process;
  const ranMs = (exitedAt - (startedAt ?? exitedAt)) / MICROSECONDS;
  const how = state === 'lost' ? 'lost' : 'exited';
  const { streak = 0, run, restarts } = process;
  const again = process.ending?.again;
  const end = { wish, again, how, exitCode, signal, reason, tail, ranMs, streak } as const;
  // Of the run and the launch, so that it is the same again after a crash in between.
  const random = crc32(`${run}/${restarts}`) / 2 ** 32;
  return judgeEnd(end, policyOf(order.spec), random);
}
