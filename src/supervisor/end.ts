/** How a launch ended, and why where LOTC itself ended it: what that says of its process. Pure. */
import type { ErrorCode } from '../base/errors.ts';
import { signalName } from '../base/signals.ts';
import type { Process } from './process.ts';

const SIGKILL = 9;

/** Why a launch is being ended, where nobody ordered it. */
export interface Ending {
  readonly reason: string;
  /** It begins again, whatever the restart policy says. */
  readonly again?: boolean | undefined;
  readonly errorCode?: ErrorCode | undefined;
  /** In place of the task's stop signal. */
  readonly signal?: string | undefined;
}

/** How the main process ended, as the shim saw it. */
export interface End {
  /** `unknown`: a process that was not the shim's child took the exit status (`MAINPID`). */
  readonly how: 'code' | 'signal' | 'core' | 'unknown';
  readonly value: number;
  readonly cpuMs: number;
  readonly maxMemoryBytes: number;
  readonly atUs: number;
  /** Last lines on stderr, printable, where it ended badly. */
  readonly tail?: string | undefined;
  /** So many processes of the run the kernel killed for want of memory. */
  readonly oomKills?: number | undefined;
}

/** Nothing where it was ordered: an order says itself why. */
export function endingFacts(ending: Ending | undefined): Partial<Process> {
  if (ending === undefined) return {};
  const { errorCode } = ending;
  return { ending, reason: ending.reason, ...(errorCode === undefined ? {} : { errorCode }) };
}

export function because(ending: Ending | undefined, more: string): string {
  return ending === undefined ? more : `${ending.reason}; ${more}`;
}

export function endFacts(end: End, ending: Ending | undefined): Partial<Process> {
  const { cpuMs, maxMemoryBytes, atUs, tail } = end;
  if (end.how === 'unknown') {
    return {
      exitedAt: atUs,
      tail,
      reason: 'its main process was not its own: how it ended is lost',
    };
  }
  const how = end.how === 'code' ? { exitCode: end.value } : { signal: signalName(end.value) };
  return {
    ...{ ...how, cpuMs, maxMemoryBytes, exitedAt: atUs, tail },
    ...(end.how === 'core' ? { reason: because(ending, 'a core was dumped') } : outOfMemory(end)),
  };
}

/** The kernel's kill looks like anybody's: it is named, with whom it hit. */
function outOfMemory({ how, value, oomKills = 0 }: End): Partial<Process> {
  if (oomKills === 0) return {};
  if (how === 'signal' && value === SIGKILL) {
    return { reason: 'out of memory: the kernel killed it at its memory limit' };
  }
  const what = oomKills === 1 ? 'a process' : `${oomKills} processes`;
  return { reason: `out of memory: the kernel killed ${what} of it at its memory limit` };
}
