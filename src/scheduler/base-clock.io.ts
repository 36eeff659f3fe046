/**
 * The machine's clocks in microseconds, straight from clock_gettime(2) where node:ffi is there.
 *
 * `baseUs` is what true time is computed from: CLOCK_MONOTONIC_RAW, which nobody slews (chrony may
 * slew the others by 83,333 ppm, and no bound on drift would hold). Timers and the shim sleep on
 * CLOCK_MONOTONIC. CLOCK_BOOTTIME minus CLOCK_MONOTONIC tells a suspended machine. A Node without
 * FFI has CLOCK_MONOTONIC alone and milliseconds of the system clock; what lies between two of
 * them comes from the monotonic clock, until the two part: then the system clock was stepped.
 * `dlopen(null)` and not libc by name: so what is preloaded (faketime) is obeyed.
 */

export interface BaseClock {
  /** Never stepped and, where the machine lets us, never slewed; its zero means nothing. */
  baseUs(): number;
  /** CLOCK_MONOTONIC, as timers and the shim count. */
  monotonicUs(): number;
  /** The system clock: µs since 1970. */
  wallUs(): number;
  /** CLOCK_BOOTTIME: as monotonic, and time asleep counts. */
  bootUs(): number;
  /** How long the machine has been suspended since it started, if that can be known. */
  suspendedUs(): number;
  /** What the kernel's own discipline claims; undefined where it cannot be asked. */
  kernel(): KernelClock | undefined;
}

export interface KernelClock {
  readonly synchronized: boolean;
  readonly errorUs: number;
}

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_MONOTONIC_RAW = 4;
const CLOCK_BOOTTIME = 7;
const STEP_US = 2_000;
/** struct timex (adjtimex(2)), LP64: modes at 0, maxerror at 24, status at 40; 208 bytes. */
const TIMEX_BYTES = 208;
const STA_UNSYNC = 0x40;
const TIME_ERROR = 5;
/** The kernel stops counting here: it does not know. */
const MAXERROR_UNKNOWN_US = 16_000_000;
const UINT32 = 2 ** 32;

type Gettime = (clock: number, timespec: Buffer) => number;
type Adjtimex = (timex: Buffer) => number;

export async function openBaseClock(): Promise<BaseClock> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, {
      adjtimex: { arguments: ['buffer'], return: 'i32' },
      clock_gettime: { arguments: ['i32', 'buffer'], return: 'i32' },
    });
    const timespec = Buffer.alloc(16);
    // A signature that FFI did not understand is ignored without a word: so it is tried.
    if (functions.clock_gettime(CLOCK_MONOTONIC_RAW, timespec) === 0) {
      return withFfi(functions.clock_gettime, functions.adjtimex);
    }
  } catch {
    // A Node without FFI, or a sandbox that forbids it.
  }
  return withoutFfi();
}

type Reading = 'baseUs' | 'monotonicUs' | 'wallUs';

/** Two clocks at one instant: of a few tries the one that was interrupted least. */
export function readTogether(
  base: BaseClock,
  one: Reading,
  other: Reading,
): { readonly oneUs: number; readonly otherUs: number } {
  let best = { apartUs: Number.POSITIVE_INFINITY, oneUs: 0, otherUs: 0 };
  for (let n = 0; n < 3; n += 1) {
    const beforeUs = base[one]();
    const otherUs = base[other]();
    const apartUs = base[one]() - beforeUs;
    if (apartUs < best.apartUs) best = { apartUs, oneUs: beforeUs + apartUs / 2, otherUs };
  }
  return best;
}

function withFfi(gettime: Gettime, adjtimex: Adjtimex): BaseClock {
  const timespec = Buffer.alloc(16);
  const words = new Uint32Array(timespec.buffer, timespec.byteOffset, 4);
  const read = (clock: number): number => {
    gettime(clock, timespec);
    const [low = 0, high = 0, nanoseconds = 0] = words;
    return (high * UINT32 + low) * 1e6 + nanoseconds / 1e3;
  };
  return {
    baseUs: () => read(CLOCK_MONOTONIC_RAW),
    monotonicUs: () => read(CLOCK_MONOTONIC),
    wallUs: () => read(CLOCK_REALTIME),
    bootUs: () => read(CLOCK_BOOTTIME),
    suspendedUs: () => read(CLOCK_BOOTTIME) - read(CLOCK_MONOTONIC),
    kernel: () => readKernel(adjtimex),
  };
}

function readKernel(adjtimex: Adjtimex): KernelClock {
  const timex = Buffer.alloc(TIMEX_BYTES);
  const state = adjtimex(timex);
  const errorUs = Number(timex.readBigInt64LE(24));
  const unsynchronised = (timex.readInt32LE(40) & STA_UNSYNC) !== 0;
  const unknown = state < 0 || state === TIME_ERROR || errorUs >= MAXERROR_UNKNOWN_US;
  return { synchronized: !unsynchronised && !unknown, errorUs };
}

function withoutFfi(): BaseClock {
  const monotonicUs = (): number => Number(process.hrtime.bigint() / 1_000n);
  let baseUs = Date.now() * 1000;
  let baseAtUs = monotonicUs();
  const wallUs = (): number => {
    const systemUs = Date.now() * 1000;
    const nowUs = monotonicUs();
    const atUs = baseUs + nowUs - baseAtUs;
    if (Math.abs(atUs - systemUs) <= STEP_US) return atUs;
    baseUs = systemUs;
    baseAtUs = nowUs;
    return systemUs;
  };
  return {
    ...{ baseUs: monotonicUs, monotonicUs, wallUs, bootUs: monotonicUs },
    suspendedUs: () => 0,
    kernel: () => undefined,
  };
}
