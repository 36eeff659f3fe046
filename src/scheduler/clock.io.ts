/**
 * The role's clock: the system clock in microseconds, with the error the kernel's own discipline
 * claims where it says that it is synchronised (adjtimex(2)); otherwise the error is unknown and
 * said to be. It never changes the system clock.
 *
 * Microseconds between two milliseconds of the system clock come from the monotonic clock; where
 * the two part by more than a millisecond or two, the system clock was stepped and is right.
 */
import type { Clock, Instant } from '../base/clock.ts';

export interface ClockFacts {
  readonly synchronized: boolean;
  readonly clockErrorUs?: number | undefined;
  readonly source: string;
}

export interface SystemClock extends Clock {
  facts(): ClockFacts;
}

const STEP_US = 2_000;
const FACTS_EVERY_MS = 16_000;
/** struct timex (adjtimex(2)), LP64: modes at 0, maxerror at 24, status at 40; 208 bytes. */
const TIMEX_BYTES = 208;
const STA_UNSYNC = 0x40;
const TIME_ERROR = 5;
/** The kernel stops counting here: it does not know. */
const MAXERROR_UNKNOWN_US = 16_000_000;

type Adjtimex = (timex: Buffer) => number;

async function openAdjtimex(): Promise<Adjtimex | undefined> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, { adjtimex: { arguments: ['buffer'], return: 'i32' } });
    const call = functions['adjtimex'];
    return call;
  } catch {
    // A Node without FFI, or a sandbox that forbids it: the error is then unknown.
    return undefined;
  }
}

function readFacts(adjtimex: Adjtimex | undefined): ClockFacts {
  if (!adjtimex) return { synchronized: false, source: 'system' };
  const timex = Buffer.alloc(TIMEX_BYTES);
  const state = adjtimex(timex);
  const errorUs = Number(timex.readBigInt64LE(24));
  const unsynchronised = (timex.readInt32LE(40) & STA_UNSYNC) !== 0;
  if (state < 0 || state === TIME_ERROR || unsynchronised || errorUs >= MAXERROR_UNKNOWN_US) {
    return { synchronized: false, source: 'system' };
  }
  return { synchronized: true, clockErrorUs: errorUs, source: 'kernel' };
}

export async function openClock(): Promise<SystemClock> {
  const adjtimex = await openAdjtimex();
  let facts = readFacts(adjtimex);
  let readAtMs = performance.now();
  let baseUs = Date.now() * 1000;
  let baseMs = performance.now();
  const currentFacts = (): ClockFacts => {
    const nowMs = performance.now();
    if (nowMs - readAtMs > FACTS_EVERY_MS) {
      facts = readFacts(adjtimex);
      readAtMs = nowMs;
    }
    return facts;
  };
  const now = (): Instant => {
    const wallUs = Date.now() * 1000;
    const nowMs = performance.now();
    let atUs = baseUs + Math.round((nowMs - baseMs) * 1000);
    if (Math.abs(atUs - wallUs) > STEP_US) {
      baseUs = wallUs;
      baseMs = nowMs;
      atUs = wallUs;
    }
    return { atUs, errorUs: currentFacts().clockErrorUs };
  };
  return { monotonicMs: () => performance.now(), now, facts: currentFacts };
}
