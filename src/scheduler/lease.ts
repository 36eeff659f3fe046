/**
 * Leases in true time: what both sides of one go by. The server grants a run until an instant; the
 * node ends the run before it, the server gives the run to another node after it, each by its own
 * clock and that clock's error. As long as both bounds hold, true time lies between the two.
 *
 * Pure. Who is granted what is `LeaseBook`'s (the server), what is held `LeaseHold`'s (the node).
 */
import type { Instant } from '../base/clock.ts';
import { limits } from '../base/limits.ts';

/** Until `endsAt`, in true time, the run of this term is its node's. */
export interface Grant {
  readonly run: string;
  readonly term: number;
  readonly endsAt: number;
}

/** Asked for by a run that a schedule began: the server says its term with the first lease. */
export const NO_TERM = 0;

const MILLISECOND = 1_000;
/**
 * A kernel may slew CLOCK_BOOTTIME by a twelfth (chrony: 83,333 ppm), and whoever counts on it is
 * asleep then: what is left of a lease is counted as so much less.
 */
const SLEWED = 1 / 12;
/** From the instant at which a run is to end until nothing of it runs: a busy machine's KILL. */
const KILL_US = 200_000;
/** Asked for again after such a share of the lease; unanswered, after half of that. */
const RENEWED = 1 / 3;
/** Clocks that are worse by more would end the lease before it can be renewed. */
const WORST = 1 / 16;

/** Of a task. */
export const leaseMsOf = ({
  leaseMs = limits.leaseMs,
}: {
  readonly leaseMs?: number | undefined;
}) => leaseMs;

/** Whether a clock is good enough for a lease of that length. */
export function bears({ errorUs }: Pick<Instant, 'errorUs'>, leaseMs: number): boolean {
  return errorUs !== undefined && errorUs <= worstErrorUs(leaseMs);
}

export function worstErrorUs(leaseMs: number): number {
  return Math.floor(leaseMs * MILLISECOND * WORST);
}

/**
 * The end of a lease granted now: as much after the earliest instant that it may be now, so that
 * no lease ever lasts longer than its length, whoever granted it.
 */
export function endOf(leaseMs: number, { atUs, errorUs = 0 }: Instant): number {
  return atUs - errorUs + leaseMs * MILLISECOND;
}

/** By this clock that instant has surely passed; not while its error is unknown. */
export function hasPassed(endsUs: number, { atUs, errorUs }: Instant): boolean {
  return errorUs !== undefined && atUs - errorUs > endsUs;
}

/**
 * The instant of CLOCK_BOOTTIME (µs) at which a run has to be ended, so that nothing of it lives
 * when its lease ends. `bootUs` was read before the clock was: whatever came between shortens it.
 * Undefined where the clock has no bound: then nothing can be promised.
 */
export function fenceOf(
  endsUs: number,
  { atUs, errorUs }: Instant,
  bootUs: number,
): number | undefined {
  if (errorUs === undefined) return undefined;
  const leftUs = endsUs - atUs - errorUs;
  return Math.floor(bootUs + leftUs * (1 - SLEWED) - KILL_US);
}

/** So long after it was asked for a lease is asked for again, µs. */
export function renewAfterUs(leaseMs: number, isAnswered: boolean): number {
  return leaseMs * MILLISECOND * (isAnswered ? RENEWED : RENEWED / 2);
}
