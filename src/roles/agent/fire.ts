/** A firing as the agent holds it, from its claim to its outcome. */
import type { Placed } from '../../scheduler/heap.ts';
import type { StoredFire } from './firing.ts';

export interface Fire extends Placed {
  stored: StoredFire;
  /**
   * `armed`: its run waits at the gate, or is on its way there. `disarming`: that is being taken
   * back, unless it fires first.
   */
  state: 'claimed' | 'armed' | 'disarming' | 'queued' | 'begun' | 'over';
  /** When it wants attention next: to be prepared, then to be fired. */
  wakeUs: number;
  /** The order that is armed, as text. */
  armedAs?: string | undefined;
  /** Runs whose shims do it at its instant. */
  planned?: readonly string[] | undefined;
  /** What it is once it is disarmed: claimed as before, or nothing. */
  after?: 'claim' | 'forget' | undefined;
}
