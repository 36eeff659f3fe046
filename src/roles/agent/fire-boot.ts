/**
 * After a start of the agent: what became of a firing that an earlier life had claimed. A start
 * is known by its run. Of another deed only the mark shows that it may have been carried out:
 * then its effect is looked for, and where none is seen the firing is `lost`, never guessed.
 */

import { isWaiting } from '../../supervisor/states.ts';
import { type DeedPorts, type Ending, interruptedEnding, seenDeed, verbOf } from './deeds.ts';
import { isOfPlan, type Plan, type StoredFire } from './firing.ts';

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
