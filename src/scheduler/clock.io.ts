/**
 * The role's clock: true time in microseconds and how wrong it may be. It never changes the
 * system clock. Whom it believes, the first that has something to say:
 *
 * 1. `ntp`: the servers named by --ntp, asked by a thread of its own (started only then);
 * 2. `kernel`: the system clock, where the kernel's own discipline says that it is synchronised;
 * 3. `server`: the LOTC server over the session (`learn`), as wrong as that is and half a round
 *    trip more; where the server itself does not know, its time is the fleet's, and the bound relative;
 * 4. `system`: the system clock as it is, with an error that is not known and said to be.
 *
 * Timers and the shim sleep on CLOCK_MONOTONIC: `monotonicOf` says when an instant of true time
 * comes there, and `onMoved` when such an answer has become wrong.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { Log } from '../base/log.io.ts';
import { type BaseClock, openBaseClock, readTogether } from './base-clock.io.ts';
import { Discipline } from './clock/discipline.ts';
import { hasMoved, type Standing } from './clock/moved.ts';
import type { PollLimits } from './clock/poll.ts';
import { baseAt, type Published, readAt, SharedReading, type Status } from './clock/reading.ts';
import { exchange } from './clock/reply.ts';
import type { SourceRow, TimeServer } from './clock/rows.ts';
import { TimeSource } from './clock/source.ts';
import { ClockThread } from './clock-thread.io.ts';
import type { ClockFacts, Exchange, SharedClock, SystemClock } from './system-clock.ts';

export type { ClockFacts, SystemClock };

export interface ClockOptions {
  readonly servers?: readonly TimeServer[];
  readonly log?: Log | undefined;
  /** How often NTP servers are asked, where their address is not to decide. */
  readonly limits?: PollLimits | undefined;
  /** Whose clocks these are; undefined: this machine's. */
  readonly base?: BaseClock | undefined;
}

const FACTS_EVERY_MS = 16_000;
const LOOK_EVERY_MS = 1_000;
/** What is proven more loosely than that is no better than the next source. */
const USABLE_US = 1e6;

const SUSPENDED_US = 10_000;
const ntpReasons: Record<Exclude<Status, 'synchronised'>, string> = {
  none: 'no NTP server has answered',
  holdover: 'the NTP servers are silent',
  disturbed: 'the clock jumped, and the NTP servers are asked again',
  'no majority': 'the NTP servers contradict each other, and none is followed',
};

export async function openClock(options: ClockOptions = {}): Promise<SystemClock> {
  const { servers = [], log, limits } = options;
  const base = options.base ?? (await openBaseClock());
  const server = new SharedReading();
  if (servers.length === 0) return new TrueClock(base, { server });
  const thread = new ClockThread({ servers, limits }, log);
  const clock = new TrueClock(base, { server, thread, ntp: thread.reading });
  thread.onMoved = () => clock.look();
  return clock;
}

/** The same clock in another thread. */
export async function attachClock(shared: SharedClock): Promise<Clock> {
  return new TrueClock(await openBaseClock(), {
    ntp: shared.ntp && new SharedReading(shared.ntp),
    server: new SharedReading(shared.server),
  });
}

interface Readings {
  readonly ntp?: SharedReading | undefined;
  readonly server: SharedReading;
  readonly thread?: ClockThread | undefined;
}

type Believed =
  | {
      readonly source: 'ntp' | 'server';
      readonly from: Published;
      readonly read?: Instant | undefined;
    }
  | { readonly source: 'kernel'; readonly errorUs: number }
  | { readonly source: 'system' };

class TrueClock implements SystemClock {
  readonly shared: SharedClock;
  readonly #base: BaseClock;
  readonly #readings: Readings;
  readonly #session = new Discipline();
  readonly #server = new TimeSource();
  #kernel: ReturnType<BaseClock['kernel']>;
  #kernelAtMs = performance.now();
  #listeners: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #told: Standing = { offsetUs: 0 };

  constructor(base: BaseClock, readings: Readings) {
    this.#base = base;
    this.#readings = readings;
    this.#kernel = base.kernel();
    this.#session.sources.add(this.#server);
    this.#session.suspended(base.suspendedUs(), base.baseUs());
    this.shared = { ntp: readings.ntp?.memory, server: readings.server.memory };
  }

  get wantsServer(): boolean {
    const { source } = this.#believed();
    return source === 'server' || source === 'system';
  }

  monotonicMs(): number {
    return performance.now();
  }

  baseUs(): number {
    return this.#base.baseUs();
  }

  monotonicUs(): number {
    return this.#base.monotonicUs();
  }

  bootUs(): number {
    return this.#base.bootUs();
  }

  now(): Instant {
    const believed = this.#believed();
    if ('from' in believed) return believed.read ?? this.#read(believed.from);
    const atUs = Math.round(this.#base.wallUs());
    return believed.source === 'kernel' ? { atUs, errorUs: believed.errorUs } : { atUs };
  }

  facts(): ClockFacts {
    const believed = this.#believed();
    const { source } = believed;
    const { oneUs, otherUs } = readTogether(this.#base, 'baseUs', 'wallUs');
    const read = 'from' in believed ? this.#read(believed.from, oneUs) : this.now();
    const { atUs, errorUs: clockErrorUs } = read;
    const offsetUs = 'from' in believed ? Math.round(atUs - otherUs) : 0;
    const { stratum, relative } = 'from' in believed ? believed.from : {};
    const synchronized = relative !== true && (clockErrorUs ?? USABLE_US) < USABLE_US;
    return {
      ...{ synchronized, clockErrorUs, source, stratum, relative: relative || undefined },
      offsetUs: source === 'system' ? undefined : offsetUs,
      reason: this.#reason(),
    };
  }

  trueAt(monotonicUs: number): Instant {
    const believed = this.#believed();
    const pair = readTogether(this.#base, 'monotonicUs', 'from' in believed ? 'baseUs' : 'wallUs');
    const wouldUs = pair.otherUs + (monotonicUs - pair.oneUs);
    if ('from' in believed) return this.#read(believed.from, wouldUs);
    const atUs = Math.round(wouldUs);
    return believed.source === 'kernel' ? { atUs, errorUs: believed.errorUs } : { atUs };
  }

  monotonicOf(trueUs: number): number {
    const believed = this.#believed();
    const pair = readTogether(this.#base, 'monotonicUs', 'from' in believed ? 'baseUs' : 'wallUs');
    const atUs = 'from' in believed ? baseAt(believed.from, trueUs) : trueUs;
    return Math.round(pair.oneUs + (atUs - pair.otherUs));
  }

  onMoved(callback: () => void): () => void {
    if (this.#listeners.length === 0) this.#told = this.#standing();
    this.#listeners.push(callback);
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== callback);
      if (this.#listeners.length === 0) this.#rest();
    };
  }

  learn({ errorUs, ...stamps }: Exchange): void {
    const relative = errorUs === undefined;
    const session = this.#session;
    if (session.relative !== relative) this.#server.forget();
    session.relative = relative;
    const sample = exchange({ ...stamps, errorUs: errorUs ?? 0 });
    this.#server.asked();
    if (sample) session.add(this.#server, sample, this.#base.baseUs());
    const suspendedUs = this.#base.suspendedUs();
    if (suspendedUs - session.published.suspendedUs > SUSPENDED_US) {
      session.suspended(suspendedUs, this.#base.baseUs());
    }
    this.#readings.server.write(session.published);
    this.look();
  }

  async sources(now: boolean): Promise<readonly SourceRow[]> {
    const rows = (await this.#readings.thread?.rows(now)) ?? [];
    const { newest, reach } = this.#server;
    if (!newest || this.#believed().source !== 'server') return rows;
    const { oneUs: atUs, otherUs } = readTogether(this.#base, 'baseUs', 'wallUs');
    const systemUs = otherUs - atUs;
    const { lowUs, highUs } = this.#server.interval(atUs);
    const estimate = this.#server.estimate(atUs);
    const row: SourceRow = {
      ...{ host: 'server', reach, truechimer: true, delayUs: Math.round(newest.delayUs) },
      offsetUs: estimate && Math.round(estimate.aheadUs - systemUs),
      ...{ lowUs: Math.floor(lowUs - systemUs), highUs: Math.ceil(highUs - systemUs) },
      reason: this.#session.relative ? 'its own time is relative' : undefined,
    };
    return [...rows, row];
  }

  async close(): Promise<void> {
    this.#listeners = [];
    this.#rest();
    await this.#readings.thread?.close();
  }

  /** Tells listeners if what they were told has become wrong. */
  look(): void {
    if (this.#listeners.length === 0) return;
    const now = this.#standing();
    if (!hasMoved(this.#told, now, this.#base.monotonicUs())) return;
    this.#told = now;
    for (const listener of [...this.#listeners]) listener();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #standing(): Standing {
    const believed = this.#believed();
    const isRead = 'from' in believed;
    const { oneUs, otherUs } = readTogether(
      this.#base,
      'monotonicUs',
      isRead ? 'baseUs' : 'wallUs',
    );
    const offsetUs = otherUs - oneUs;
    if (!isRead) return { offsetUs };
    return { offsetUs, from: believed.from, suspendedUs: this.#base.suspendedUs() };
  }

  #read(from: Published, baseUs = this.#base.baseUs()): Instant {
    return readAt(from, baseUs, this.#base.suspendedUs());
  }

  #believed(): Believed {
    const ntp = this.#readings.ntp?.read();
    const read = ntp && ntp.status !== 'none' ? this.#read(ntp) : undefined;
    if (ntp && read && ((read.errorUs ?? USABLE_US) < USABLE_US || ntp.status === 'disturbed')) {
      return { source: 'ntp', from: ntp, read };
    }
    const nowMs = performance.now();
    if (nowMs - this.#kernelAtMs > FACTS_EVERY_MS) {
      this.#kernel = this.#base.kernel();
      this.#kernelAtMs = nowMs;
    }
    if (this.#kernel?.synchronized) return { source: 'kernel', errorUs: this.#kernel.errorUs };
    const server = this.#readings.server.read();
    if (server.status !== 'none') return { source: 'server', from: server };
    if (ntp && ntp.status !== 'none') return { source: 'ntp', from: ntp };
    return { source: 'system' };
  }

  #reason(): string | undefined {
    const status = this.#readings.ntp?.read().status;
    if (status === undefined || status === 'synchronised') return undefined;
    return ntpReasons[status];
  }
}
