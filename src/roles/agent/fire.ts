/** A firing as the agent holds it, from its claim to its outcome. */
import type { Placed } from '../../scheduler/heap.ts';
import type { Ending, Plan, StoredFire } from './firing.ts';

export interface Fire extends Placed {
  stored: StoredFire;
  /**
   * `armed`: its run waits at the gate, or is on its way there. `disarming`: that is being taken
   * back, unless it fires first; `retracting`: the same of what shims were told to do.
   */
  state: 'claimed' | 'armed' | 'disarming' | 'retracting' | 'queued' | 'begun' | 'over';
  /** When it wants attention next: to be prepared, then to be fired. */
  wakeUs: number;
  /** The order that is armed, as text. */
  armedAs?: string | undefined;
  /** Runs whose shims, or the thread for deeds, do it at its instant; by which plan. */
  planned?: { readonly runs: readonly string[]; readonly plan: Plan } | undefined;
  /** Of these nobody has said yet whether it was done before it was taken back. */
  unanswered?: Set<string> | undefined;
  /** It was begun by an earlier life of the agent. */
  readonly isInherited: boolean;
  /** What it is once it is taken back: claimed as before, nothing, or ended like that. */
  after?: 'claim' | 'forget' | Ending | undefined;
}

/** The last instant of each schedule that has come, of firings that are to be judged. */
export function lastOf(fires: Iterable<Fire>, nowUs: number): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { state, stored } of fires) {
    const { schedule, dueUs } = stored;
    const isOpen = state === 'claimed' || state === 'retracting';
    if (isOpen && dueUs <= nowUs && dueUs > (last.get(schedule) ?? 0)) last.set(schedule, dueUs);
  }
  return last;
}
