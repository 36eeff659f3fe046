/**
 * After a start of the agent: what became of a firing that an earlier life had claimed. A start
 * is known by its run. Of another deed only the mark shows that it may have been carried out:
 * then its effect is looked for, and where none is seen the firing is `lost`, never guessed.
 */

import type { End } from '../../supervisor/end.ts';
import { isWaiting } from '../../supervisor/states.ts';
import { type DeedPorts, interruptedEnding, seenDeed, verbOf } from './deeds.ts';
import type { StoredRun } from './events.ts';
import type { Fire } from './fire.ts';
import { type Ending, isOfPlan, type Plan, type StoredFire } from './firing.ts';

export interface TakeUpPorts extends DeedPorts {
  /** The schedule as it is now; undefined: it is gone, or rests. */
  plan(schedule: string): Plan | undefined;
  node(): string;
}

/**
 * `claimed`: nothing has happened. `armed`: its run waits at the gate, or has passed it unseen.
 * `gone`: it was taken back. `targets`: begun, on these runs.
 */
export type TakenUp =
  | Ending
  | { readonly targets: readonly string[] }
  | 'claimed'
  | 'armed'
  | 'gone'
  | 'queued';

/**
 * Whether a run that ended while nobody was there was to be ended by a schedule before that: then
 * no restart policy brings it back, and `takeUp` says that the firing was seen.
 */
export function isDueToEnd(
  ports: Pick<TakeUpPorts, 'plan'>,
  fires: Iterable<Fire>,
  { order, process }: StoredRun,
  { atUs }: End,
): boolean {
  for (const { stored } of fires) {
    const { action, schedule, task, dueUs, prepared, targets } = stored;
    if (task !== order.task || !prepared || targets) continue;
    if (action !== 'kill' && action !== 'stop') continue;
    const plan = ports.plan(schedule);
    if (!plan || verbOf(plan) === 'signal') continue;
    if ((process.startedAt ?? 0) < dueUs && dueUs <= atUs) return true;
  }
  return false;
}

/** A deed that shows, with when it was. */
export function asSeen(ports: DeedPorts, stored: StoredFire): StoredFire {
  const { atUs, errorUs } = seenDeed(ports, stored) ?? { atUs: stored.dueUs };
  return { ...stored, firedUs: atUs, clockErrorUs: errorUs };
}

export function takeUp(ports: TakeUpPorts, stored: StoredFire): TakenUp {
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
  if (!stored.prepared || dueUs > ports.time().atUs) return 'claimed';
  return !isSignal && seenDeed(ports, stored)
    ? { result: 'ok', reason: 'seen afterwards: the agent ended at that instant' }
    : interruptedEnding;
}
