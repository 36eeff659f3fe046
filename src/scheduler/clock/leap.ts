/**
 * Leap seconds, smeared. Servers announce one for the end of the month; it is believed when more
 * than half of those believed in time announce it. Readings then carry no step: from noon before
 * to noon after, 86,400 seconds are stretched over 86,401 (or pressed into 86,399), as Google's
 * and Amazon's servers do, so that every instant has one name and none comes twice.
 *
 * A server that smears by itself announces nothing and is taken as it is. Smearing and plain
 * servers differ by up to half a second on such a day: mixed, they end as "no majority".
 */

export interface Leap {
  /** The midnight that the second precedes: µs since 1970. */
  readonly atUs: number;
  /** Seconds inserted: 1, or −1. */
  readonly step: number;
}

const HALF_DAY_US = 43_200e6;
/** Just there a server's stamps can mean two instants. */
const AMBIGUOUS_US = 2e6;
const INSERT = 1;
const DELETE = 2;
/** How much faster truth may seem to move under a smear. */
export const SMEAR_RATE = 12e-6;

/** What the believed sources announce (their LI fields), as seen at `trueUs`. */
export function announced(leaps: readonly number[], trueUs: number): Leap | undefined {
  const count = (kind: number): number => leaps.filter((leap) => leap === kind).length;
  const more = (kind: number): boolean => count(kind) * 2 > leaps.length;
  if (!more(INSERT) && !more(DELETE)) return undefined;
  const date = new Date(trueUs / 1000);
  const atUs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) * 1000;
  // Only the last day counts: some servers announce it for the whole month.
  if (atUs - trueUs > 2 * HALF_DAY_US) return undefined;
  return { atUs, step: more(INSERT) ? 1 : -1 };
}

export function isSmearing({ atUs }: Leap, trueUs: number): boolean {
  return Math.abs(trueUs - atUs) < HALF_DAY_US;
}

/** What to add to a server's stamp; undefined where the stamp can mean two instants. */
export function smearUs({ atUs, step }: Leap, stampUs: number): number | undefined {
  if (Math.abs(stampUs - atUs) < AMBIGUOUS_US) return undefined;
  const afterUs = stampUs > atUs ? step * 1e6 : 0;
  const passedUs = stampUs - (atUs - HALF_DAY_US) + afterUs;
  const lengthUs = 2 * HALF_DAY_US + step * 1e6;
  if (passedUs <= 0 || passedUs >= lengthUs) return 0;
  return afterUs - (step * 1e6 * passedUs) / lengthUs;
}
