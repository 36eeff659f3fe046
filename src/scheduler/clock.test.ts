import { expect, test, vi } from 'vitest';
import type { BaseClock, KernelClock } from './base-clock.io.ts';
import { openClock } from './clock.io.ts';

/** A machine on which no time passes by itself. */
class Machine implements BaseClock {
  readonly #kernel: KernelClock | undefined;
  nowUs = 5_000_000;

  constructor(kernel: KernelClock | undefined) {
    this.#kernel = kernel;
  }

  baseUs = (): number => this.nowUs;
  monotonicUs = (): number => this.nowUs;
  bootUs = (): number => this.nowUs;
  wallUs = (): number => this.nowUs + WALL_US;
  suspendedUs = (): number => 0;
  kernel = (): KernelClock | undefined => this.#kernel;
}

const WALL_US = Date.UTC(2026, 10, 30) * 1_000;
/** The system clock of the machine is so far behind the server's. */
const BEHIND_US = 2_000_000;
const DELAY_US = 3_000;

/** An exchange with the server, which knows the time that well. */
function exchanged(machine: Machine, errorUs: number | undefined) {
  const t1 = machine.nowUs;
  machine.nowUs += DELAY_US;
  const t2 = t1 + WALL_US + BEHIND_US + DELAY_US / 2;
  return { t1, t2, t3: t2, t4: machine.nowUs, errorUs };
}

test('without NTP, the kernel is believed where it says that it is synchronised', async () => {
  const machine = new Machine({ synchronized: true, errorUs: 900 });
  const clock = await openClock({ base: machine });
  clock.learn(exchanged(machine, 10));
  expect(clock.now()).toEqual({ atUs: machine.wallUs(), errorUs: 900 });
  expect(clock.facts()).toMatchObject({ synchronized: true, source: 'kernel', offsetUs: 0 });
  expect(clock.wantsServer).toBe(false);
});

test.each([undefined, { synchronized: false, errorUs: 900 }])(
  'without NTP, and the kernel says %j: the server is, as wrong as it is and half a round trip',
  async (kernel) => {
    const machine = new Machine(kernel);
    const clock = await openClock({ base: machine });
    expect(clock.now()).toEqual({ atUs: machine.wallUs() });
    expect(clock.facts()).toMatchObject({ synchronized: false, source: 'system' });
    expect([clock.facts().offsetUs, clock.wantsServer]).toEqual([undefined, true]);

    clock.learn(exchanged(machine, undefined));
    const relative = clock.facts();
    expect(relative).toMatchObject({ source: 'server', relative: true, synchronized: false });
    expect(relative.offsetUs).toBeCloseTo(BEHIND_US, -1);
    expect(relative.clockErrorUs).toBeGreaterThanOrEqual(DELAY_US / 2);
    expect(relative.clockErrorUs).toBeLessThan(DELAY_US);

    clock.learn(exchanged(machine, 7_000));
    const { relative: isRelative, clockErrorUs, synchronized } = clock.facts();
    expect([isRelative, synchronized, clock.wantsServer]).toEqual([undefined, true, true]);
    expect(clockErrorUs).toBeGreaterThanOrEqual(7_000 + DELAY_US / 2);
  },
);

test('an instant of true time and of CLOCK_MONOTONIC are two names of one', async () => {
  const clock = await openClock();
  const monotonicUs = clock.monotonicUs();
  expect(Number(process.hrtime.bigint() / 1_000n) - monotonicUs).toBeLessThan(5_000_000);
  const { atUs: trueUs } = clock.trueAt(monotonicUs);
  expect(Math.abs(clock.now().atUs - trueUs)).toBeLessThan(5_000_000);
  // Both ways on a machine that is busy: the pair read closest together is some µs wide.
  expect(Math.abs(clock.monotonicOf(trueUs) - monotonicUs)).toBeLessThan(2_000);
  expect(Math.abs(clock.now().atUs - Date.now() * 1000)).toBeLessThan(5_000_000);
});

test('a listener that has left is not kept, and keeps nothing', async () => {
  vi.useFakeTimers();
  try {
    const clock = await openClock();
    const moved = vi.fn<() => void>();
    const leave = clock.onMoved(moved);
    expect(vi.getTimerCount()).toBe(1);
    leave();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(5_000);
    expect(moved).not.toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
  }
});
