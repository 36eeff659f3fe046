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
  /** What it is once it is taken back: claimed as before, nothing, or ended like that. */
  after?: 'claim' | 'forget' | Ending | undefined;
}
