/**
 * The node's side of leases: what its runs hold, when each is asked for again, when each is over.
 * Everything is counted on CLOCK_BOOTTIME, so that time asleep counts; what a lease ends at is
 * true time, and a later look at the clock may only shorten it.
 *
 * It begins empty: a life of the agent knows nothing of what an earlier one held, so nothing is
 * launched before it is granted anew. What runs meanwhile is ended by its shim, by the fence.
 */
import type { Instant } from '../base/clock.ts';
import { bears, fenceOf, type Grant, NO_TERM, renewAfterUs } from './lease.ts';

/** `bootUs`: CLOCK_BOOTTIME in µs, read before the clock. */
export interface HoldReading extends Instant {
  readonly bootUs: number;
}

/** While the clock is too bad to ask, so often somebody looks whether it still is. */
const LOOK_US = 1_000_000;

export interface Want {
  readonly run: string;
  readonly term: number;
}

interface Held {
  readonly term: number;
  readonly leaseMs: number;
  /** When the run has to be ended; undefined: nothing is held. */
  fenceUs: number | undefined;
  endsAt: number;
  askedUs: number;
  isAnswered: boolean;
}

export class LeaseHold {
  readonly #held = new Map<string, Held>();

  /** A run that lives, or is to, under a lease. */
  add(run: string, term: number, leaseMs: number): void {
    if (this.#held.get(run)?.term === term) return;
    const nothing = { fenceUs: undefined, endsAt: 0, askedUs: -Infinity, isAnswered: false };
    this.#held.set(run, { term, leaseMs, ...nothing });
  }

  remove(run: string): void {
    this.#held.delete(run);
  }

  has(run: string): boolean {
    return this.#held.has(run);
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** A session begins: what was asked in another is not answered any more. */
  askAnew(): void {
    for (const held of this.#held.values()) held.askedUs = -Infinity;
  }

  /** The server has heard of more: who had no term then may have one now. */
  askUnknown(): void {
    for (const held of this.#held.values()) if (held.term === NO_TERM) held.askedUs = -Infinity;
  }

  /** Whom to ask for now; what the clock cannot hold is not asked for. */
  ask(now: HoldReading): readonly Want[] {
    const wants: Want[] = [];
    for (const [run, held] of this.#held) {
      if (!bears(now, held.leaseMs) || now.bootUs < dueUs(held)) continue;
      held.askedUs = now.bootUs;
      held.isAnswered = false;
      wants.push({ run, term: held.term });
    }
    return wants;
  }

  /** Runs whose fence has moved, with it: an older grant, or one that came too late, moves none. */
  granted(grants: readonly Grant[], now: HoldReading): readonly (readonly [string, number])[] {
    const moved: (readonly [string, number])[] = [];
    for (const { run, term, endsAt } of grants) {
      const held = this.#held.get(run);
      if (held?.term !== term) continue;
      held.isAnswered = true;
      const fenceUs = bears(now, held.leaseMs) ? fenceOf(endsAt, now, now.bootUs) : undefined;
      if (fenceUs === undefined || fenceUs <= now.bootUs) continue;
      if (isOver(held, now) || endsAt <= held.endsAt) continue;
      held.endsAt = endsAt;
      // Each is good by itself: the later one counts.
      held.fenceUs = Math.max(fenceUs, held.fenceUs ?? 0);
      moved.push([run, held.fenceUs]);
    }
    return moved;
  }

  /** The fence of a lease that is held now. */
  fence(run: string, now: HoldReading): number | undefined {
    const held = this.#held.get(run);
    return held && !isOver(held, now) ? held.fenceUs : undefined;
  }

  /** Runs whose lease was held and is over: they are to be ended. */
  lapsed(now: HoldReading): readonly string[] {
    const over: string[] = [];
    for (const [run, held] of this.#held) if (isOver(held, now)) over.push(run);
    return over;
  }

  /** When to look next, on CLOCK_BOOTTIME; `asks`: there is somebody to ask. */
  nextUs(now: HoldReading, asks: boolean): number | undefined {
    let first = Infinity;
    for (const held of this.#held.values()) {
      const askUs = bears(now, held.leaseMs) ? dueUs(held) : now.bootUs + LOOK_US;
      first = Math.min(first, held.fenceUs ?? Infinity, asks ? askUs : Infinity);
    }
    return Number.isFinite(first) ? first : undefined;
  }
}

const dueUs = ({ askedUs, leaseMs, isAnswered }: Held): number =>
  askedUs + renewAfterUs(leaseMs, isAnswered);

function isOver({ fenceUs, endsAt }: Held, now: HoldReading): boolean {
  if (fenceUs === undefined) return false;
  if (now.bootUs >= fenceUs) return true;
  return now.errorUs !== undefined && (fenceOf(endsAt, now, now.bootUs) ?? 0) <= now.bootUs;
}
