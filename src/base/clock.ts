/**
 * Two clocks, never mixed: a monotonic one for durations and deadlines, and true time with its
 * error for what people and schedules mean. Pure code gets readings as arguments; only the edge
 * holds a `Clock`.
 */

/** A reading of true time. `errorUs` undefined: the error is not known. */
export interface Instant {
  /** µs since 1970-01-01T00:00:00Z. */
  readonly atUs: number;
  readonly errorUs?: number | undefined;
}

export interface Clock {
  /** Milliseconds of a clock that never steps; its zero means nothing. */
  monotonicMs(): number;
  now(): Instant;
}

/** RFC 3339 UTC with microseconds, for instance 2026-12-01T12:00:00.000123Z. */
export function formatInstant(atUs: number): string {
  const ms = Math.floor(atUs / 1000);
  const us = atUs - ms * 1000;
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us).padStart(3, '0')}Z`;
}
