/**
 * Whether a deed shows, where nobody has told that it was done: what ended at its instant or after
 * it, and in the way in which the deed ends things; what is suspended since then.
 */
import type { Instant } from '../../base/clock.ts';
import { isPreempted } from '../../supervisor/preemption.ts';
import type { StoredRun } from './events.ts';
import type { StoredFire } from './firing.ts';
import type { Runs } from './runs.ts';
import { timedActs } from './timed-act.ts';

interface Ended {
  readonly atUs: number;
  readonly signal?: string | undefined;
}

/** Each life of the agent has its own estimate of the time, and what ended is dated by the next. */
const APART_US = 100_000;

/**
 * A kill ends by KILL. What is told to stop may end in any way, and has its grace for it. What
 * ended otherwise, or long after, ended by itself: whoever should have told it was not there.
 */
export function isEndOf(
  { action, dueUs }: StoredFire,
  { process }: StoredRun,
  { atUs, signal }: Ended,
): boolean {
  if (atUs < dueUs - APART_US) return false;
  if (action === 'kill') return signal === 'SIGKILL';
  return action === 'stop' && atUs <= dueUs + process.stop.graceMs * 1_000;
}

/** For a firing of which nobody knows whether it was carried out. */
export function seenDeed(ports: { runs(): Runs }, fire: StoredFire): Instant | undefined {
  const { action, task, dueUs } = fire;
  for (const stored of ports.runs().all()) {
    const { order, process } = stored;
    if (order.task !== task) continue;
    const { exitedAt, signal, suspendedAt = 0 } = process;
    const acted = ports.runs().shimActs.first(process.run, timedActs(action), dueUs);
    if (acted) return acted;
    const hasEnded = exitedAt !== undefined && isEndOf(fire, stored, { atUs: exitedAt, signal });
    if (hasEnded) return { atUs: Math.max(exitedAt, dueUs) };
    const isOurs = action === 'suspend' && !isPreempted(process);
    if (isOurs && suspendedAt >= dueUs) return { atUs: suspendedAt };
  }
  return undefined;
}
