/**
 * After a start of the agent: what became of a firing that an earlier life had claimed. A start
 * is known by its run. Of another deed only the mark shows that it may have been carried out:
 * then its effect is looked for, and where none is seen the firing is `lost`, never guessed. Only
 * of what KILL was meant for and did not end is it certain that it was not.
 */
import { limits } from '../../base/limits.ts';
import { signalName } from '../../base/signals.ts';
import type { End } from '../../supervisor/end.ts';
import { hasEnded, isWaiting } from '../../supervisor/states.ts';
import { type DeedPorts, interruptedEnding, present, repeatDeed, verbOf } from './deeds.ts';
import type { StoredRun } from './events.ts';
import type { Fire } from './fire.ts';
import { clockWhy, type Ending, isOfPlan, type Plan, type StoredFire } from './firing.ts';
import { isEndOf, seenDeed } from './seen-deed.ts';
import { planDeed, retractDeed } from './timed-deeds.ts';

export interface TakeUpPorts extends DeedPorts {
  /** The schedule as it is now; undefined: it is gone, or rests. */
  plan(schedule: string): Plan | undefined;
  node(): string;
}

/**
 * `claimed`: nothing has happened. `armed`: its run waits at the gate, or has passed it unseen.
 * `gone`: it was taken back. `targets`: begun, on these runs. `planned`: not done so far to these,
 * whose shims may have been told to; where it is not to be, they are asked to take it back.
 */
export type TakenUp =
  | Ending
  | { readonly targets: readonly string[] }
  | { readonly planned: NonNullable<Fire['planned']> }
  | 'claimed'
  | 'armed'
  | 'gone'
  | 'queued';

/**
 * Marks are made shortly before an instant; where one of the schedule's is far ahead, the clock was
 * put back since, and the instants of all of them may have come before. Told together, they leave
 * none behind that would have to be claimed again with what comes before it.
 */
function isPutBack(ports: TakeUpPorts, { schedule }: StoredFire, all: readonly Fire[]): boolean {
  const farUs = ports.time().atUs + limits.prepareAheadUs;
  return all.some(({ stored }) => {
    return stored.schedule === schedule && stored.prepared && stored.dueUs > farUs;
  });
}

const putBackEnding: Ending = {
  result: 'lost',
  reason: 'the clock was put back over that instant: whether it was done cannot be known',
};

/**
 * Whether a run that ended while nobody was there was to be ended by a schedule before that: then
 * no restart policy brings it back, and `takeUp` says that the firing was seen.
 */
export function isDueToEnd(
  ports: Pick<TakeUpPorts, 'plan'>,
  fires: Iterable<Fire>,
  run: StoredRun,
  { atUs, how, value }: End,
): boolean {
  const { order, process } = run;
  const end = { atUs, signal: how === 'code' ? undefined : signalName(value) };
  for (const { stored } of fires) {
    const { action, schedule, task, dueUs, prepared, targets } = stored;
    if (task !== order.task || !prepared || targets) continue;
    if (action !== 'kill' && action !== 'stop') continue;
    const plan = ports.plan(schedule);
    if (!plan || verbOf(plan) === 'signal') continue;
    if ((process.startedAt ?? 0) < dueUs && isEndOf(stored, run, end)) return true;
  }
  return false;
}

/** A start that was begun waits at its gate: the clock was put back since. */
export function isAheadAgain(ports: DeedPorts, { run, dueUs }: StoredFire): boolean {
  const state = run === undefined ? undefined : ports.runs().get(run)?.process.state;
  return state === 'armed' && dueUs > ports.time().atUs;
}

/** A deed that shows, with when it was. */
export function asSeen(ports: DeedPorts, stored: StoredFire): StoredFire {
  const { atUs, errorUs } = seenDeed(ports, stored) ?? { atUs: stored.dueUs };
  return { ...stored, firedUs: atUs, clockErrorUs: errorUs };
}

/** `all`: of the earlier life, to be taken up with it. */
export function takeUp(ports: TakeUpPorts, stored: StoredFire, all: readonly Fire[]): TakenUp {
  const { run, targets, dueUs } = stored;
  const plan = ports.plan(stored.schedule);
  const isSignal = plan !== undefined && verbOf(plan) === 'signal';
  if (run !== undefined) {
    const process = ports.runs().get(run)?.process;
    if (targets || (process && !isWaiting(process.state))) return { targets: [run] };
    if (process) return 'armed';
    // A schedule of this name that is not its own; where it has none, its instant decides.
    if (plan && !isOfPlan(ports.node(), plan, stored)) return 'gone';
  } else if (targets) {
    return isSignal || !plan ? interruptedEnding : { targets };
  }
  if (stored.queued) return 'queued';
  if (!stored.prepared) return 'claimed';
  if (dueUs > ports.time().atUs) {
    return isPutBack(ports, stored, all) ? putBackEnding : stillPlanned(ports, stored, plan);
  }
  if (isSignal) return interruptedEnding;
  if (seenDeed(ports, stored)) {
    return { result: 'ok', reason: 'seen afterwards: the agent ended at that instant' };
  }
  const runs = plan?.action === 'kill' ? spared(ports, stored) : [];
  return plan && runs.length > 0 ? { planned: { runs, plan } } : interruptedEnding;
}

/**
 * It was marked, and its instant is to come: whoever lives may have been told, and does it whatever
 * this life knows of the run. Where the schedule went with the agent, that is taken back.
 */
function stillPlanned(ports: TakeUpPorts, stored: StoredFire, plan: Plan | undefined): TakenUp {
  const runs = present(ports, stored).map(({ process }) => process.run);
  if (runs.length === 0) return 'claimed';
  if (!plan) {
    retractDeed(ports, runs, stored.action);
    return interruptedEnding;
  }
  if (!clockWhy(plan, ports.time().errorUs)) planDeed(ports, stored, plan);
  return { planned: { runs, plan } };
}

/** A deed that shows has cancelled what waited for its start at that instant. */
export function cancelWaiting(ports: DeedPorts, stored: StoredFire): void {
  const { action, dueUs } = stored;
  if (action !== 'kill' && action !== 'stop') return;
  const waiting = present(ports, stored).filter(({ process }) => {
    return isWaiting(process.state) && process.createdAt < dueUs;
  });
  repeatDeed(ports, { ...stored, targets: waiting.map(({ process }) => process.run) });
}

/** What KILL was meant for and did not end: it lives, or ended later and in another way. */
function spared(ports: DeedPorts, { task, dueUs }: StoredFire): string[] {
  const runs: string[] = [];
  for (const { order, process } of ports.runs().all()) {
    const { startedAt = Infinity, exitedAt, exitCode, signal, state } = process;
    if (order.task !== task || startedAt >= dueUs) continue;
    const endedLater = (exitedAt ?? 0) >= dueUs && (exitCode ?? signal) !== undefined;
    if (endedLater || (exitedAt === undefined && !hasEnded(state))) runs.push(process.run);
  }
  return runs;
}
