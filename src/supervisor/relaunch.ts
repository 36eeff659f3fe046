/** From one launch of a run to the next: what is forgotten, what stays, the wait between. Pure. */
import { limits } from '../base/limits.ts';
import type { Input, Process, Reading } from './process.ts';

/** It waits for its next launch; how the one before ended stays known until then. */
export function again(process: Process, { revival, reason }: Input, now: Reading): Process {
  const { inMs = 0, streak = 1 } = revival ?? {};
  return {
    ...process,
    ...{ pid: undefined, startTicks: undefined, errorCode: undefined, reason, streak },
    restarts: process.restarts + 1,
    revivesAt: now.atUs + inMs * 1000,
    // What made room for another waits for more than time.
    deadlineMs: process.preempted ? undefined : now.nowMs + inMs,
  };
}

/** What a launch says anew. */
const anew: Partial<Process> = {
  ...{ pid: undefined, startTicks: undefined, startedAt: undefined, revivesAt: undefined },
  startErrorUs: undefined,
  ...{ exitedAt: undefined, exitCode: undefined, signal: undefined, tail: undefined },
  ...{ cpuMs: undefined, maxMemoryBytes: undefined, ready: undefined, status: undefined },
  ...{ ending: undefined, outside: undefined, triggeredUs: undefined, preempted: undefined },
};

/** The process at its next launch, of which nothing is known yet. */
export function relaunched(process: Process): Process {
  const { exitCode: lastExitCode, signal: lastSignal, ending } = process;
  const replaces = ending?.reason;
  return { ...process, ...anew, lastExitCode, lastSignal, replaces, state: 'launching' };
}

/** The same wait for another life of the agent, as far as it is not over. */
export function rested(process: Process, now: Reading): Process {
  const { revivesAt = now.atUs } = process;
  const restMs = Math.min(Math.max(0, (revivesAt - now.atUs) / 1000), limits.backoffMaxMs);
  const deadlineMs = process.preempted ? undefined : now.nowMs + restMs;
  return { ...process, state: 'backoff', deadlineMs };
}
