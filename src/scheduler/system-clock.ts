/** What a role and its parts can ask of the clock (clock.io.ts); the simulator has its own. */
import type { Clock, Instant } from '../base/clock.ts';
import type { FourStamps } from './clock/reply.ts';
import type { SourceRow } from './clock/rows.ts';

export interface ClockFacts {
  readonly synchronized: boolean;
  /** True time minus the system clock. */
  readonly offsetUs?: number | undefined;
  readonly clockErrorUs?: number | undefined;
  readonly source: 'ntp' | 'kernel' | 'server' | 'system';
  readonly stratum?: number | undefined;
  /** The fleet has one time, and nobody knows how far from the world's. */
  readonly relative?: boolean | undefined;
  /** Why it is not synchronised, or may soon not be. */
  readonly reason?: string | undefined;
}

/** An exchange with the LOTC server: t1 and t4 by `baseUs`, t2 and t3 by the server's clock. */
export type Exchange = Omit<FourStamps, 'errorUs'> & {
  /** How wrong the server says it is; undefined: it does not know. */
  readonly errorUs: number | undefined;
};

export interface SystemClock extends Clock {
  facts(): ClockFacts;
  /** The clock that exchanges are stamped by: never stepped, never slewed. */
  baseUs(): number;
  /** CLOCK_MONOTONIC in µs, as the shim is told its instants. */
  monotonicUs(): number;
  /** CLOCK_BOOTTIME in µs: leases are counted on it, for a machine that sleeps holds none. */
  bootUs(): number;
  /** True time (µs since 1970) at an instant of CLOCK_MONOTONIC, by what is known now. */
  trueAt(monotonicUs: number): Instant;
  /** The instant of CLOCK_MONOTONIC at which true time will be `trueUs`, by what is known now. */
  monotonicOf(trueUs: number): number;
  /**
   * Calls back when true time has moved against CLOCK_MONOTONIC since the last call, or is about
   * to (clock/moved.ts): what was armed by `monotonicOf` wants a new instant. Returns what ends it.
   */
  onMoved(callback: () => void): () => void;
  /** Takes an exchange with the server. */
  learn(stamps: Exchange): void;
  /** Whether nobody better than the server is believed: then exchanges with it are wanted. */
  readonly wantsServer: boolean;
  /** Every source, as it stands; `now`: after it was asked again. */
  sources(now: boolean): Promise<readonly SourceRow[]>;
  /** What another thread needs to read this clock (`attachClock`). */
  readonly shared: SharedClock;
  close(): Promise<void>;
}

/** Shared memory: it may be sent to a thread. */
export interface SharedClock {
  readonly ntp: SharedArrayBuffer | undefined;
  readonly server: SharedArrayBuffer;
}
