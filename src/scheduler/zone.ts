/**
 * Time zones as stretches of a constant offset, so that a clock on a wall and true time convert
 * into each other by plain arithmetic. Which zones there are, and when they change, the runtime
 * knows (IANA tz database in ICU, by Temporal); a stretch is looked up once and kept.
 *
 * "Wall" is what a clock in the zone shows, counted in µs as if the zone were UTC.
 */

export interface Stretch {
  /** True time, first µs inside and first µs outside. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Wall minus true time. */
  readonly offsetUs: number;
  /** The offset before `fromUs`. */
  readonly beforeUs: number;
}

const ZONES_KEPT = 256;
const STRETCHES_KEPT = 64;
const kept = new Map<string, Stretch[]>();

/** Whether the runtime knows the zone. */
export function isZone(zone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return true;
  } catch {
    return false;
  }
}

/** The stretch that holds the instant. */
export function stretchAt(zone: string, atUs: number): Stretch {
  let stretches = kept.get(zone);
  if (!stretches) {
    if (kept.size >= ZONES_KEPT) kept.clear();
    stretches = [];
    kept.set(zone, stretches);
  }
  for (const stretch of stretches) {
    if (stretch.fromUs <= atUs && atUs < stretch.toUs) return stretch;
  }
  const found = lookUp(zone, atUs);
  if (stretches.length >= STRETCHES_KEPT) stretches.shift();
  stretches.push(found);
  return found;
}

function lookUp(zone: string, atUs: number): Stretch {
  const ms = Math.floor(atUs / 1_000);
  const there = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
  const next = there.getTimeZoneTransition('next');
  // "previous" is strictly before, and the instant may be the transition itself.
  const after = there.add({ milliseconds: 1 });
  const last = after.getTimeZoneTransition('previous');
  return {
    fromUs: last ? last.epochMilliseconds * 1_000 : -Infinity,
    toUs: next ? next.epochMilliseconds * 1_000 : Infinity,
    offsetUs: there.offsetNanoseconds / 1_000,
    beforeUs: last
      ? last.subtract({ milliseconds: 1 }).offsetNanoseconds / 1_000
      : there.offsetNanoseconds / 1_000,
  };
}
