/**
 * After a start of the agent: what became of a firing that an earlier life had claimed. A start
 * is known by its run. Of another deed only the mark shows that it may have been carried out:
 * then its effect is looked for, and where none is seen the firing is `lost`, never guessed.
 */
import { type DeedPorts, type Ending, interruptedEnding, showsDeed, verbOf } from './deeds.ts';
import type { Plan, StoredFire } from './firing.ts';

export interface TakeUpPorts extends DeedPorts {
  /** The schedule as it is now; undefined: it is gone, or rests. */
  plan(schedule: string): Plan | undefined;
}

/** `claimed`: nothing has happened. `targets`: begun, on these runs. */
export type TakenUp = Ending | { readonly targets: readonly string[] } | 'claimed' | 'queued';

export function takeUp(ports: TakeUpPorts, stored: StoredFire): TakenUp {
  const { run, targets, dueUs } = stored;
  const plan = ports.plan(stored.schedule);
  const isSignal = plan !== undefined && verbOf(plan) === 'signal';
  if (run !== undefined) {
    if (targets || ports.runs().get(run)) return { targets: [run] };
  } else if (targets) {
    return isSignal || !plan ? interruptedEnding : { targets };
  }
  if (stored.queued) return 'queued';
  if (!stored.prepared || dueUs > ports.time().atUs) return 'claimed';
  return !isSignal && showsDeed(ports, stored)
    ? { result: 'ok', reason: 'seen afterwards: the agent ended at that instant' }
    : interruptedEnding;
}
