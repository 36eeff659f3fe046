/**
 * Firings of this node from claim to outcome. A claim is durable before its instant or fires
 * late, never unclaimed; what becomes of it goes into the reports in the same commit that takes
 * the claim away. So each ends as ok, failed, skipped or lost, once, over any crash: a start is
 * known by its run, whose id follows from the firing; every other deed is marked as prepared
 * shortly before its instant, so that a later life knows whether it may have been carried out.
 *
 * It knows what is due, not why: instants come from the planner (schedules.ts), deeds are done by
 * deeds.ts, judgements are in firing.ts.
 */
import { limits } from '../../base/limits.ts';
import { Heap, type Placed } from '../../scheduler/heap.ts';
import type { Planned } from '../../scheduler/planner.ts';
import { hasEnded } from '../../supervisor/table.ts';
import { beginDeed, type Ending, orderOf, repeatDeed, settleDeed, signalEnding } from './deeds.ts';
import { type TakeUpPorts, takeUp } from './fire-boot.ts';
import { FireQueue, FiresByRun } from './fire-queue.ts';
import {
  claimOf,
  endingReason,
  fireKey,
  fireRow,
  firesBefore,
  type Plan,
  type StoredFire,
  skipWhy,
  wantsMark,
} from './firing.ts';
import type { Ledger } from './ledger.ts';
import { Presence } from './presence.ts';
import type { Reports } from './reports.ts';

export interface FirePorts extends TakeUpPorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  /** An instant of the schedule that is not claimed yet is due. */
  hasDue(schedule: string): boolean;
  node(): string;
}

interface Fire extends Placed {
  stored: StoredFire;
  state: 'claimed' | 'queued' | 'begun' | 'over';
  /** When it wants attention next: to be prepared, then to be fired. */
  wakeUs: number;
}

const MICROSECONDS = 1_000;
/** The two clocks are read one after the other: woken too early, a firing would wait again. */
const LATER_US = 20;

export class Fires {
  readonly #ports: FirePorts;
  readonly #fires = new Map<string, Fire>();
  readonly #ahead = new Heap<Fire>((a, b) =>
    a.wakeUs === b.wakeUs ? firesBefore(a.stored, b.stored) : a.wakeUs < b.wakeUs,
  );
  readonly #byRun = new FiresByRun<Fire>();
  readonly #queue = new FireQueue<Fire>();
  /** Looks at the clock, before anything else of a step. */
  readonly presence = new Presence();
  #claimed = 0;
  #begun = false;

  constructor(ports: FirePorts) {
    this.#ports = ports;
  }

  /** Claims whose instant has not come. */
  get outstanding(): number {
    return this.#claimed;
  }

  /** When to tick next, on the monotonic clock. */
  get deadlineMs(): number | undefined {
    const { top } = this.#ahead;
    if (!top) return undefined;
    const { nowMs, atUs } = this.#ports.time();
    return nowMs + (top.wakeUs - atUs + LATER_US) / MICROSECONDS;
  }

  /** After a start: what was begun is settled or taken up, what is past is judged. */
  begin(rows: Iterable<StoredFire>): void {
    this.#begun = true;
    for (const fire of [...rows].map((stored) => this.#add(stored))) this.#takeUp(fire);
    this.tick();
  }

  claim(planned: Planned, plan: Plan): void {
    const fire = this.#add(claimOf(this.#ports.node(), plan, planned));
    this.#store(fire, fire.stored);
    this.#whenDurable(fire, fire.stored.dueUs - limits.prepareAheadUs);
  }

  /**
   * The schedule goes, rests or changes: what has not come is taken back without a trace, what
   * waits its turn is skipped. The answer is the first instant taken back.
   */
  withdraw(schedule: string, why: string): number | undefined {
    const { atUs } = this.#ports.time();
    let first: number | undefined;
    for (const fire of [...this.#fires.values()]) {
      const { stored, state } = fire;
      if (stored.schedule !== schedule || state === 'begun') continue;
      if (state === 'queued' || stored.dueUs <= atUs) {
        this.#close(fire, { result: 'skipped', reason: why });
        continue;
      }
      first = Math.min(first ?? Infinity, stored.plannedUs);
      this.#forget(fire);
    }
    return first;
  }

  /** Prepares what is near and fires what is due. */
  tick(): void {
    if (!this.#begun) return;
    const { atUs } = this.#ports.time();
    const due: Fire[] = [];
    const lastOf = new Map<string, number>();
    for (let { top } = this.#ahead; top && top.wakeUs <= atUs; { top } = this.#ahead) {
      this.#ahead.take(top);
      if (wantsMark(top.stored)) this.#mark(top);
      else if (top.stored.dueUs <= atUs) {
        due.push(top);
        lastOf.set(top.stored.schedule, top.stored.dueUs);
      } else this.#wakeAt(top, top.stored.dueUs);
    }
    due.sort((a, b) => (firesBefore(a.stored, b.stored) ? -1 : 1));
    for (const fire of due) {
      const { schedule, dueUs } = fire.stored;
      const isOvertaken = dueUs < (lastOf.get(schedule) ?? dueUs) || this.#ports.hasDue(schedule);
      if (fire.state === 'claimed') this.#fire(fire, isOvertaken);
    }
  }

  /** A run has changed: firings that wait for it may be over, others may have their turn. */
  settled(run: string): void {
    if (!this.#begun) return;
    for (const fire of this.#byRun.of(run)) this.#settle(fire);
    const stored = this.#ports.runs().get(run);
    if (stored && hasEnded(stored.process.state)) this.#nextOf(stored.order.task ?? '');
  }

  signalled(order: string, run: string, reason: string | undefined): void {
    for (const fire of this.#byRun.of(run)) {
      if (orderOf(fire.stored, run).item === order) this.#close(fire, signalEnding(reason));
    }
  }

  // ---- inside ----

  #takeUp(fire: Fire): void {
    const { stored } = fire;
    const found = takeUp(this.#ports, stored);
    if (found === 'claimed') this.#wakeAt(fire, stored.dueUs - limits.prepareAheadUs);
    else if (found === 'queued') {
      fire.state = 'queued';
      this.#queue.add(stored.task ?? '', fire);
      this.#nextOf(stored.task ?? '');
    } else if ('targets' in found) {
      this.#waitFor(fire, found.targets);
      if (fire.state === 'begun' && stored.run === undefined) repeatDeed(this.#ports, fire.stored);
    } else {
      if (found.result === 'ok') fire.stored = { ...stored, firedUs: stored.dueUs };
      this.#close(fire, found);
    }
  }

  /** A deed that leaves no trace of its own is marked durably, before it can have happened. */
  #mark(fire: Fire): void {
    this.#store(fire, { ...fire.stored, prepared: true });
    this.#whenDurable(fire, fire.stored.dueUs);
  }

  #whenDurable(fire: Fire, wakeUs: number): void {
    this.#ports.ledger.after(() => {
      if (fire.state !== 'claimed') return;
      this.#wakeAt(fire, wakeUs);
      this.tick();
    });
  }

  #fire(fire: Fire, isOvertaken: boolean): void {
    const { stored } = fire;
    const plan = this.#ports.plan(stored.schedule);
    if (!plan) {
      this.#close(fire, { result: 'skipped', reason: 'the schedule is gone' });
      return;
    }
    const { atUs, errorUs } = this.#ports.time();
    const lateness = { nowUs: atUs, presentUs: this.presence.sinceUs, isOvertaken };
    const reason = skipWhy(stored, plan, { ...lateness, errorUs });
    if (reason !== undefined) {
      this.#close(fire, { result: 'skipped', reason });
      return;
    }
    this.#begin(fire, plan);
  }

  #begin(fire: Fire, plan: Plan): void {
    const { stored } = fire;
    const { atUs, errorUs } = this.#ports.time();
    const { task = '' } = stored;
    const isBehind = plan.overlap === 'queue' && this.#queue.sizeOf(task) > 0;
    const begun = isBehind ? 'queue' : beginDeed(this.#ports, stored, plan);
    if (begun === 'queue') this.#putOff(fire, task);
    else if ('result' in begun) {
      const firedUs = begun.result === 'ok' ? atUs : undefined;
      fire.stored = { ...stored, firedUs, clockErrorUs: errorUs };
      this.#close(fire, begun);
    } else {
      const starts = stored.run !== undefined;
      fire.stored = starts ? stored : { ...stored, firedUs: atUs, clockErrorUs: errorUs };
      this.#waitFor(fire, begun.targets);
    }
  }

  #waitFor(fire: Fire, targets: readonly string[]): void {
    fire.state = 'begun';
    this.#claimed -= 1;
    this.#store(fire, { ...fire.stored, targets, queued: undefined });
    this.#byRun.add(targets, fire);
    this.#settle(fire);
  }

  #settle(fire: Fire): void {
    const { stored } = fire;
    const ending = fire.state === 'begun' ? settleDeed(this.#ports, stored) : undefined;
    if (!ending) return;
    if (stored.run !== undefined) {
      const firedUs = this.#ports.runs().get(stored.run)?.process.startedAt;
      const clockErrorUs = firedUs === undefined ? undefined : this.#ports.time().errorUs;
      fire.stored = { ...stored, firedUs, clockErrorUs };
    }
    this.#close(fire, ending);
  }

  #putOff(fire: Fire, task: string): void {
    if (this.#queue.sizeOf(task) >= limits.firesQueued) {
      const reason = `${limits.firesQueued} firings of task "${task}" wait already`;
      this.#close(fire, { result: 'skipped', reason });
      return;
    }
    fire.state = 'queued';
    this.#store(fire, { ...fire.stored, queued: true });
    this.#queue.add(task, fire);
  }

  /** A run of the task has ended: who waits longest has its turn. */
  #nextOf(task: string): void {
    const fire = this.#queue.firstOf(task);
    if (!fire || this.#ports.runs().liveOf(task).length > 0) return;
    this.#queue.remove(task, fire);
    const plan = this.#ports.plan(fire.stored.schedule);
    if (plan) this.#begin(fire, { ...plan, overlap: 'forbid' });
    else this.#close(fire, { result: 'skipped', reason: 'the schedule is gone' });
    // What could not be begun leaves the turn to the next.
    if (fire.state === 'over') this.#nextOf(task);
  }

  #add(stored: StoredFire): Fire {
    const fire: Fire = { stored, state: 'claimed', place: -1, wakeUs: stored.dueUs };
    this.#fires.set(fireKey(stored), fire);
    this.#claimed += 1;
    return fire;
  }

  #wakeAt(fire: Fire, wakeUs: number): void {
    fire.wakeUs = wakeUs;
    this.#ahead.put(fire);
  }

  #store(fire: Fire, stored: StoredFire): void {
    fire.stored = stored;
    this.#ports.ledger.put('fires', fireKey(stored), stored);
  }

  /** Its outcome is told, and the claim goes, in one commit. */
  #close(fire: Fire, ending: Ending): void {
    const { stored } = fire;
    this.#forget(fire);
    const reason = endingReason(stored, ending.reason);
    this.#ports.reports.fire(fireRow(stored, { ...ending, reason }), this.#ports.time().atUs);
  }

  #forget(fire: Fire): void {
    const { stored, state } = fire;
    if (state !== 'begun') this.#claimed -= 1;
    fire.state = 'over';
    this.#fires.delete(fireKey(stored));
    this.#ahead.take(fire);
    this.#byRun.remove(stored.targets ?? [], fire);
    if (state === 'queued') this.#queue.remove(stored.task ?? '', fire);
    this.#ports.ledger.remove('fires', fireKey(stored));
  }
}
