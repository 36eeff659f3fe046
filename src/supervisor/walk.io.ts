/**
 * The tree of a run where there are no control groups: found by walking /proc down from the shim.
 *
 * A listing is not one instant: a process may fork between being listed and being signalled. So
 * each act repeats (look, signal what still moves, look again) until two looks in a row find
 * nothing left to do: what the first missed was forked before everything stood still, so the
 * second sees it. A tree that forks and exits faster than it can be walked is chased through the
 * shim's own list of children, to which each such process falls; only a control group ends it for
 * certain, and a deadline ends the attempt.
 */
import { limits } from '../base/limits.ts';
import {
  isAlive,
  livingBelow,
  readAllStats,
  readStat,
  readText,
  sendSignal,
  threadStates,
} from './proc.io.ts';
import {
  below,
  byParent,
  descendants,
  hasEnded,
  hasVariable,
  isStill,
  isStopPending,
  type ProcessIdentity,
  type ProcessStat,
  parsePids,
} from './tree.ts';
import { until } from './until.io.ts';

export interface WalkedRun {
  readonly run: string;
  /** The run's shim, its subreaper; undefined when it is not known (any more). */
  readonly shim: ProcessIdentity | undefined;
}

const CHASE_MS = 2;
const CHASE_AFTER_LOOKS = 3;

/** Living processes of the run, the shim excluded, parents first. */
export async function walkMembers(target: WalkedRun): Promise<ProcessStat[]> {
  const all = await readAllStats();
  const { shim } = target;
  const tree =
    shim !== undefined && isAlive(shim)
      ? descendants(all.values(), shim.pid)
      : strays(all, target.run, shim);
  return tree.filter((stat) => !hasEnded(stat));
}

/**
 * Whether anything of it lives. While its shim does, by the kernel's lists of children, which cost
 * what the tree is large and not what the machine has; twice where they are empty, because a child
 * that ends while its list is read may hide another.
 */
export async function walkHasMembers(target: WalkedRun): Promise<boolean> {
  const { shim } = target;
  if (shim === undefined) return (await walkMembers(target)).length > 0;
  for (let look = 0; look < 2; look += 1) {
    const living = await livingBelow(shim.pid);
    if (!isAlive(shim)) return (await walkMembers(target)).length > 0;
    if (living.length > 0) return true;
  }
  return false;
}

/** True once every thread of every process is stopped; false: not in time, and undone. */
export async function walkFreeze(target: WalkedRun): Promise<boolean> {
  let quietLooks = 0;
  const frozen = await until(async () => {
    const moving = (await walkMembers(target)).filter((stat) => !standsStill(stat));
    for (const stat of moving) signalSame(stat, 'SIGSTOP');
    quietLooks = moving.length === 0 ? quietLooks + 1 : 0;
    return quietLooks >= 2;
  }, limits.freezeMs);
  if (!frozen) await walkThaw(target);
  return frozen;
}

/** True once no process of the run is stopped by a signal any more, whoever had stopped it. */
export async function walkThaw(target: WalkedRun): Promise<boolean> {
  return until(async () => {
    const stopped = (await walkMembers(target)).filter(isHeld);
    for (const stat of stopped) signalSame(stat, 'SIGCONT');
    return stopped.length === 0;
  }, limits.freezeMs);
}

/** True once nothing of the run lives. The shim is left to reap and to report. */
export async function walkKill(target: WalkedRun): Promise<boolean> {
  return killAll(target, () => walkMembers(target));
}

/**
 * The same by the kernel's lists of children, which cost what is left of the tree and not what the
 * machine has: after a kill by the group there is nearly never anything.
 */
export async function killLeft(target: WalkedRun): Promise<boolean> {
  const { shim } = target;
  return killAll(target, () => {
    return shim !== undefined && isAlive(shim) ? livingBelow(shim.pid) : walkMembers(target);
  });
}

async function killAll(
  target: WalkedRun,
  look: () => Promise<readonly ProcessStat[]>,
): Promise<boolean> {
  let looks = 0;
  let quietLooks = 0;
  return until(async () => {
    const living = await look();
    for (const stat of living) signalSame(stat, 'SIGKILL');
    looks += 1;
    if (looks > CHASE_AFTER_LOOKS && target.shim !== undefined) chase(target.shim.pid);
    quietLooks = living.length === 0 ? quietLooks + 1 : 0;
    return quietLooks >= 2;
  }, limits.killTreeMs);
}

/** Whether every thread stands still now. The state of a process is that of its first thread. */
export function standsStill(stat: ProcessStat): boolean {
  const states = stat.threads <= 1 ? [stat.state] : threadStates(stat.pid);
  if (states.every(isStill)) return true;
  return states.every((state) => isStill(state) || state === 'D') && isHeld(stat);
}

/** Signals exactly this process: one that took its pid meanwhile has another start. */
export function signalSame(
  stat: Pick<ProcessStat, 'pid' | 'startTicks'>,
  signal: NodeJS.Signals | number,
): boolean {
  if (readStat(stat.pid)?.startTicks !== stat.startTicks) return false;
  return sendSignal(stat.pid, signal);
}

/**
 * Stopped, or told to and still in the kernel (vfork(2) waits there for its child, a read for its
 * disk): no thread of it gets back to its program before the stop, or a CONT that takes it back.
 */
function isHeld(stat: ProcessStat): boolean {
  const states = stat.threads <= 1 ? [stat.state] : threadStates(stat.pid);
  if (states.includes('T')) return true;
  return states.includes('D') && isStopPending(readText(`/proc/${stat.pid}/status`) ?? '');
}

/** Kills what falls to the shim, as fast as it can be read, without leaving this turn. */
function chase(shimPid: number): void {
  const end = performance.now() + CHASE_MS;
  while (performance.now() < end) {
    const text = readText(`/proc/${shimPid}/task/${shimPid}/children`);
    const pids = parsePids((text ?? '').replaceAll(' ', '\n'));
    if (pids.length === 0) return;
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
  }
}

/**
 * The run's processes after the shim's death, by the marks it left: LOTC_RUN in the environment,
 * and the shim's session where a marked process is in it (a pid is not given anew while it names a
 * session, so the session is then still that one).
 */
function strays(
  all: ReadonlyMap<number, ProcessStat>,
  run: string,
  shim: ProcessIdentity | undefined,
): ProcessStat[] {
  const found = new Map<number, ProcessStat>();
  const children = byParent(all.values());
  const mark = (stat: ProcessStat): void => {
    if (found.has(stat.pid) || stat.pid === process.pid) return;
    found.set(stat.pid, stat);
    for (const inner of below(children, stat.pid)) found.set(inner.pid, inner);
  };
  for (const stat of all.values()) {
    const environ = readText(`/proc/${stat.pid}/environ`);
    if (environ !== undefined && hasVariable(environ, 'LOTC_RUN', run)) mark(stat);
  }
  const session = shim?.pid;
  if ([...found.values()].some((stat) => stat.session === session)) {
    for (const stat of all.values()) if (stat.session === session) mark(stat);
  }
  return [...found.values()];
}
