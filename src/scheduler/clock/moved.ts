/**
 * Whether an instant of true time comes at another instant of CLOCK_MONOTONIC than was said.
 *
 * Readings never jump to a new estimate, they go there slowly; so at the moment of a new estimate
 * nothing has moved yet, while what sleeps until some instant after it would wake at the wrong
 * one. The two are compared now and where the way to the new estimate is all but done.
 */
import { limits } from '../../base/limits.ts';
import { type Published, readAt } from './reading.ts';

/** What true time is said by: a line, or what is published, over a clock beside CLOCK_MONOTONIC. */
export interface Standing {
  /** That clock minus CLOCK_MONOTONIC. */
  readonly offsetUs: number;
  /** Undefined: that clock is the system clock, and said to be true. */
  readonly from?: Published | undefined;
  readonly suspendedUs?: number | undefined;
}

/** What is armed was armed that long before its instant at least, and is looked at till then. */
const AHEAD_US = 2_000_000;

/** Of what was said by `told`, at that instant of CLOCK_MONOTONIC. */
export function hasMoved(told: Standing, now: Standing, monotonicUs: number): boolean {
  return [monotonicUs, monotonicUs + AHEAD_US].some((atUs) => {
    return Math.abs(trueTime(now, atUs) - trueTime(told, atUs)) > limits.movedUs;
  });
}

function trueTime({ offsetUs, from, suspendedUs }: Standing, monotonicUs: number): number {
  const atUs = monotonicUs + offsetUs;
  return from ? readAt(from, atUs, suspendedUs).atUs : atUs;
}
