/**
 * Which instants of which schedules are to be claimed next. Each schedule has a cursor: instants
 * up to it are claimed or were never its own, so none is handed out twice, whatever the clock
 * does; where the clock goes back, a schedule waits until its cursor is passed again.
 *
 * The next instant of a schedule is computed when it is first looked at, some thousands at a
 * time, so that a hundred thousand of them never hold up the rest. It refuses to know actions,
 * tasks and disks; who claims makes the claims durable together with the cursors.
 *
 * A schedule that was left alone for very long may have millions of missed instants. Unless all
 * of them are wanted, the middle of such a stretch is handed out as one: `omittedToUs`.
 */
import { limits } from '../base/limits.ts';
import { Heap, type Placed } from './heap.ts';
import { nextInstant, type Rule, withoutCount } from './rule.ts';

export interface Planning {
  readonly rule: Rule;
  /** This node's share of the splay. */
  readonly splayUs: number;
  /** Instants up to here are done. */
  readonly cursorUs: number;
  /** The zone that a rule in zone `local` is in. */
  readonly local: string;
  /** Every missed instant is wanted on its own. */
  readonly all: boolean;
}

export interface Planned {
  readonly schedule: string;
  /** The instant of the rule. */
  readonly plannedUs: number;
  /** When it fires here: with the splay. */
  readonly dueUs: number;
  /** Instants after this one up to here are handed out with it, as one. */
  readonly omittedToUs?: number | undefined;
}

export interface Reading {
  readonly atUs: number;
  /** Claims that have not been fired. */
  readonly outstanding: number;
}

interface Entry extends Placed {
  readonly schedule: string;
  rule: Rule;
  readonly splayUs: number;
  readonly local: string;
  readonly all: boolean;
  cursorUs: number;
  /** The next instant with the splay; -Infinity: not computed yet. */
  dueUs: number;
  /** How many missed instants were handed out in a row, and the first of them. */
  missed: number;
  missedFromUs: number;
}

const COMPUTED_AT_ONCE = 2_000;

export class Planner {
  readonly #entries = new Map<string, Entry>();
  readonly #heap = new Heap<Entry>((a, b) => a.dueUs < b.dueUs);

  get size(): number {
    return this.#entries.size;
  }

  put(schedule: string, planning: Planning): void {
    this.remove(schedule);
    const { rule, splayUs, local, all, cursorUs } = planning;
    const entry: Entry = {
      ...{ schedule, rule, splayUs, local, all, cursorUs },
      ...{ dueUs: -Infinity, missed: 0, missedFromUs: 0, place: -1 },
    };
    this.#entries.set(schedule, entry);
    this.#heap.put(entry);
  }

  remove(schedule: string): void {
    const entry = this.#entries.get(schedule);
    if (!entry) return;
    this.#entries.delete(schedule);
    this.#heap.take(entry);
  }

  /** Up to which instant the schedule has been handed out. */
  cursorOf(schedule: string): number | undefined {
    return this.#entries.get(schedule)?.cursorUs;
  }

  /** When the next instant that is not handed out is due; undefined: there is none. */
  dueOf(schedule: string): number | undefined {
    const entry = this.#entries.get(schedule);
    if (!entry || entry.place < 0) return undefined;
    if (entry.dueUs !== -Infinity) return entry.dueUs;
    const next = nextInstant(entry.rule, entry.cursorUs, entry.local);
    return next === undefined ? undefined : next + entry.splayUs;
  }

  /**
   * What is to be claimed now, the earliest first: everything that is due within the least time
   * ahead, and where that is little, what is due within the most. At most one commit's worth.
   */
  claim({ atUs, outstanding }: Reading): Planned[] {
    const claims: Planned[] = [];
    const soonUs = atUs + limits.claimAheadMinUs;
    const lateUs = atUs + limits.claimAheadUs;
    let computed = 0;
    for (let top = this.#heap.top; top; top = this.#heap.top) {
      if (claims.length >= limits.claimsPerCommit || computed >= COMPUTED_AT_ONCE) break;
      if (top.dueUs === -Infinity) {
        computed += 1;
        top.rule = withoutCount(top.rule, top.local);
        this.#advance(top);
        continue;
      }
      const isFull = outstanding + claims.length >= limits.claimsPerCommit;
      if (top.dueUs > (isFull ? soonUs : lateUs)) break;
      claims.push(this.#handOut(top, atUs));
      computed += 1;
    }
    return claims;
  }

  /** When to ask again, in true time; undefined: not before something changes. */
  wakeUs({ atUs, outstanding }: Reading): number | undefined {
    const { top } = this.#heap;
    if (!top) return undefined;
    if (top.dueUs === -Infinity) return atUs;
    const full = outstanding >= limits.claimsPerCommit / 2;
    return top.dueUs - (full ? limits.claimAheadMinUs : limits.claimAheadUs / 2);
  }

  #handOut(entry: Entry, atUs: number): Planned {
    const { schedule, splayUs, dueUs } = entry;
    const plannedUs = dueUs - splayUs;
    const omittedToUs = this.#leap(entry, atUs);
    entry.cursorUs = omittedToUs ?? plannedUs;
    this.#advance(entry);
    return { schedule, plannedUs, dueUs, ...(omittedToUs === undefined ? {} : { omittedToUs }) };
  }

  /** How far a long stretch of missed instants is taken as one; undefined where there is none. */
  #leap(entry: Entry, atUs: number): number | undefined {
    if (entry.all || entry.dueUs >= atUs) {
      entry.missed = 0;
      return undefined;
    }
    const plannedUs = entry.dueUs - entry.splayUs;
    if (entry.missed === 0) entry.missedFromUs = plannedUs;
    entry.missed += 1;
    if (entry.missed < limits.missedKept) return undefined;
    entry.missed = 0;
    // As much time as those handed out took is left to be handed out one by one.
    const toUs = atUs - entry.splayUs - (plannedUs - entry.missedFromUs);
    return toUs > plannedUs ? Math.floor(toUs) : undefined;
  }

  #advance(entry: Entry): void {
    const next = nextInstant(entry.rule, entry.cursorUs, entry.local);
    if (next === undefined) this.#heap.take(entry);
    else {
      entry.dueUs = next + entry.splayUs;
      this.#heap.put(entry);
    }
  }
}
