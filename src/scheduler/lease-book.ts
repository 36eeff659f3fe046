/**
 * The server's side of leases: the latest end that each run was ever granted. It is soft state,
 * never journaled: what an earlier life of the server granted is not known, but it granted nothing
 * for longer than a lease, and nothing after its end. So a server that has just started counts one
 * whole lease from its first reading of the clock as if that were granted.
 *
 * Also counted on the monotonic clock: a clock that is stepped shortens no lease.
 */
import type { Instant } from '../base/clock.ts';
import { bears, endOf, hasPassed } from './lease.ts';

export interface BookReading extends Instant {
  readonly monotonicMs: number;
}

interface Granted {
  readonly endsUs: number;
  readonly atMs: number;
}

export class LeaseBook {
  readonly #granted = new Map<string, Granted>();
  /** The latest that it may have been when this life first knew its clock’s error. */
  #sinceUs: number | undefined;
  #sinceMs = 0;

  /** Before anything is judged: from here on earlier lives are silent. */
  observe({ atUs, errorUs, monotonicMs }: BookReading): void {
    if (this.#sinceUs !== undefined || errorUs === undefined) return;
    this.#sinceUs = atUs + errorUs;
    this.#sinceMs = monotonicMs;
  }

  /** The end in true time; undefined where the clock is too bad to say one. */
  grant(run: string, leaseMs: number, now: BookReading): number | undefined {
    this.observe(now);
    if (!bears(now, leaseMs)) return undefined;
    const endsUs = endOf(leaseMs, now);
    const known = this.#known(run, leaseMs)?.endsUs ?? 0;
    this.#granted.set(run, { endsUs: Math.max(known, endsUs), atMs: now.monotonicMs });
    return endsUs;
  }

  /** Nobody can hold a lease of this run any more: it may be given to another node. */
  isOver(run: string, leaseMs: number, now: BookReading): boolean {
    this.observe(now);
    const granted = this.#known(run, leaseMs);
    if (!granted || now.monotonicMs - granted.atMs < leaseMs) return false;
    return hasPassed(granted.endsUs, now);
  }

  /** About when `isOver` will say so, on the monotonic clock, as far as can be said now. */
  overAtMs(run: string, leaseMs: number, now: BookReading): number | undefined {
    const granted = this.#known(run, leaseMs);
    if (!granted || now.errorUs === undefined) return undefined;
    const leftMs = (granted.endsUs - now.atUs + now.errorUs) / 1_000;
    return Math.max(now.monotonicMs + Math.max(0, leftMs), granted.atMs + leaseMs);
  }

  /** The run has ended or was given up. */
  forget(run: string): void {
    this.#granted.delete(run);
  }

  get runs(): Iterable<string> {
    return this.#granted.keys();
  }

  /** What this life granted, or an earlier one may have. */
  #known(run: string, leaseMs: number): Granted | undefined {
    const granted = this.#granted.get(run);
    if (granted || this.#sinceUs === undefined) return granted;
    return { endsUs: this.#sinceUs + leaseMs * 1_000, atMs: this.#sinceMs };
  }
}
