/**
 * Firings of this node whose instants have not come: claimed durably, prepared shortly before, and
 * handed out when they are due. What preparing means depends on the deed: a start is armed
 * (arming.ts); a deed that leaves no trace of its own is marked, so that a later life of the agent
 * knows whether it may have been carried out.
 *
 * It does nothing at an instant, and knows no outcome (fires.ts).
 */
import { limits } from '../../base/limits.ts';
import { Heap } from '../../scheduler/heap.ts';
import type { Planned } from '../../scheduler/planner.ts';
import { Arming } from './arming.ts';
import type { DeedPorts } from './deeds.ts';
import { type Fire, lastOf } from './fire.ts';
import { isAheadAgain } from './fire-boot.ts';
import {
  claimOf,
  clockWhy,
  fireKey,
  firesBefore,
  missedWhy,
  type Plan,
  type StoredFire,
  wantsMark,
} from './firing.ts';
import type { Ledger } from './ledger.ts';
import type { Presence } from './presence.ts';
import { planDeed, retractDeed } from './timed-deeds.ts';

export interface ClaimPorts extends DeedPorts {
  readonly ledger: Ledger;
  plan(schedule: string): Plan | undefined;
  node(): string;
  readonly presence: Presence;
  /** How many firings of a task wait for the end of its run. */
  queued(task: string): number;
  /** Its run is about to be made. */
  arms(fire: Fire): void;
}

const MICROSECONDS = 1_000;
/** The two clocks are read one after the other: woken too early, a firing would wait again. */
const LATER_US = 20;

export class Claims {
  readonly #ports: ClaimPorts;
  readonly #fires = new Map<string, Fire>();
  readonly #ahead = new Heap<Fire>((a, b) =>
    a.wakeUs === b.wakeUs ? firesBefore(a.stored, b.stored) : a.wakeUs < b.wakeUs,
  );
  readonly arming: Arming;
  /** Those that decide what a start after them finds: of other code, of a restart. */
  readonly #deciding = new Set<Fire>();
  #outstanding = 0;

  constructor(ports: ClaimPorts) {
    this.#ports = ports;
    this.arming = new Arming({ ...ports, mustWait: (fire) => this.#mustWait(fire) });
  }

  /** Those that have not been begun. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** When to look next, on the monotonic clock. */
  get deadlineMs(): number | undefined {
    const { nowMs, atUs } = this.#ports.time();
    const wakeUs = Math.min(this.#ahead.top?.wakeUs ?? Infinity, this.arming.wakeUs ?? Infinity);
    if (wakeUs === Infinity) return undefined;
    return nowMs + (wakeUs - atUs + LATER_US) / MICROSECONDS;
  }

  load(stored: StoredFire): Fire {
    const isInherited = stored.targets !== undefined;
    const at = { place: -1, wakeUs: stored.dueUs };
    const fire: Fire = { stored, state: 'claimed', isInherited, ...at };
    this.#fires.set(fireKey(stored), fire);
    this.#outstanding += 1;
    return fire;
  }

  claim(planned: Planned, plan: Plan): void {
    const stored = claimOf(this.#ports.node(), plan, planned);
    const known = this.#fires.get(fireKey(stored));
    // It was taken back and is wanted again, before it is known whether it has not fired.
    if (known) known.after = 'claim';
    // Or it had fired.
    if (known || this.#ports.runs().get(stored.run ?? '')) return;
    const fire = this.load(stored);
    this.store(fire, stored);
    this.#ports.ledger.after(() => {
      if (fire.state === 'claimed') this.await(fire);
    });
  }

  all(): readonly Fire[] {
    return [...this.#fires.values()];
  }

  /** A claim that is durable: it is prepared in time, then handed out. */
  await(fire: Fire): void {
    const { action, dueUs, schedule } = fire.stored;
    if (['load', 'unload', 'restart'].includes(action)) {
      this.#deciding.add(fire);
      this.arming.doubt('all');
    }
    if (action !== 'start') {
      this.#wakeAt(fire, dueUs - limits.prepareAheadUs);
      return;
    }
    if (fire.state === 'claimed') this.arming.add(fire);
    const isExact = this.#ports.plan(schedule)?.maxClockErrorUs !== undefined;
    this.#wakeAt(fire, isExact ? dueUs - limits.lastLookUs : dueUs);
  }

  /** A run of an earlier life of the agent holds it. */
  hold(fire: Fire): void {
    this.arming.found(fire);
    this.await(fire);
  }

  /** It was begun, and the clock put back: its run waits for an instant that is to come again. */
  rewind(fire: Fire): void {
    if (fire.state !== 'begun' || !isAheadAgain(this.#ports, fire.stored)) return;
    this.#outstanding += 1;
    this.store(fire, { ...fire.stored, targets: undefined });
    this.hold(fire);
    if (!this.#ports.plan(fire.stored.schedule)) this.disarm(fire);
  }

  /** What may fire may have become another, of one task or of all. */
  doubt(task?: string): void {
    if (task === undefined) this.arming.doubt('all');
    else this.arming.doubtTask(task);
  }

  /** Arms what is to be armed; once a step, when all else has been done. */
  arm(): void {
    this.arming.arm();
  }

  /** What a run says that is held, or was, for a firing: `begun` it has to be settled. */
  heard(fire: Fire): 'held' | 'begun' | 'gone' {
    const standing = this.arming.standing(fire);
    if (standing !== 'gone') return standing;
    // It never was.
    this.arming.drop(fire);
    if (fire.after === 'forget') return 'gone';
    fire.state = 'claimed';
    this.await(fire);
    return 'held';
  }

  /** Prepares what is near; the answer is due now, in the order of firings. */
  due(): readonly Fire[] {
    const { atUs } = this.#ports.time();
    const due: Fire[] = [];
    for (let { top } = this.#ahead; top && top.wakeUs <= atUs; { top } = this.#ahead) {
      this.#ahead.take(top);
      if (wantsMark(top.stored)) this.#mark(top);
      else if (top.stored.dueUs <= atUs) due.push(top);
      else this.#look(top);
    }
    this.#overdue();
    return due.sort((a, b) => (firesBefore(a.stored, b.stored) ? -1 : 1));
  }

  /** The last instant of each schedule that has come and is to be judged, now or once durable. */
  lastDue(): ReadonlyMap<string, number> {
    return lastOf(this.#fires.values(), this.#ports.time().atUs);
  }

  /** It is carried out now: no longer ahead. */
  begun(fire: Fire): void {
    fire.state = 'begun';
    this.#outstanding -= 1;
    this.#leave(fire);
  }

  forget(fire: Fire): void {
    if (fire.state !== 'begun') this.#outstanding -= 1;
    fire.state = 'over';
    this.#leave(fire);
    this.#fires.delete(fireKey(fire.stored));
    this.#ports.ledger.remove('fires', fireKey(fire.stored));
  }

  store(fire: Fire, stored: StoredFire): void {
    fire.stored = stored;
    this.#ports.ledger.put('fires', fireKey(stored), stored);
  }

  /** Firings of a schedule that have not been begun, with what is to become of each. */
  *of(schedule: string): Generator<[Fire, 'ahead' | 'held' | 'come']> {
    const { atUs } = this.#ports.time();
    for (const fire of this.all()) {
      const { stored, state } = fire;
      if (stored.schedule !== schedule || state === 'begun' || state === 'over') continue;
      const isHeld = state === 'armed' || state === 'disarming';
      if (state === 'queued' || stored.dueUs <= atUs) {
        // Its instant has come: what its shim has done counts.
        if (!isHeld) yield [fire, 'come'];
      } else yield [fire, isHeld ? 'held' : 'ahead'];
    }
  }

  disarm(fire: Fire): void {
    this.arming.disarm(fire, 'forget');
  }

  /** What shims were told of it is taken back, unless they are faster; then they say so. */
  retract(fire: Fire, after: Fire['after']): void {
    fire.after = after;
    if (fire.state === 'retracting') return;
    const { runs = [] } = fire.planned ?? {};
    fire.state = 'retracting';
    fire.unanswered = new Set(runs);
    this.#ahead.take(fire);
    retractDeed(this.#ports, runs, fire.stored.action);
  }

  /** The answer about a run; firings of which all are known now. */
  retracted(run: string): readonly Fire[] {
    const open = this.all().filter(({ state }) => state === 'retracting');
    const asked = open.filter(({ unanswered }) => unanswered?.delete(run));
    return asked.filter(({ unanswered }) => unanswered?.size === 0);
  }

  /** It is as if nobody had been told of it. */
  again(fire: Fire): void {
    fire.state = 'claimed';
    fire.planned = undefined;
    this.await(fire);
  }

  // ---- inside ----

  #leave(fire: Fire): void {
    this.#ahead.take(fire);
    this.arming.drop(fire);
    this.#deciding.delete(fire);
  }

  #wakeAt(fire: Fire, wakeUs: number): void {
    fire.wakeUs = wakeUs;
    this.#ahead.put(fire);
  }

  /** Durably, before it can have happened. */
  #mark(fire: Fire): void {
    this.store(fire, { ...fire.stored, prepared: true });
    this.#ports.ledger.after(() => {
      if (fire.state === 'claimed') this.#wakeAt(fire, fire.stored.dueUs - limits.planAheadUs);
    });
  }

  /** Between its claim and its instant: it is planned, or the clock looked at for the last time. */
  #look(fire: Fire): void {
    const { schedule, dueUs, prepared } = fire.stored;
    const plan = this.#ports.plan(schedule);
    const isGood = plan !== undefined && !clockWhy(plan, this.#ports.time().errorUs);
    let wakeUs = dueUs;
    if (fire.state === 'armed') {
      if (!isGood) this.arming.disarm(fire, 'claim');
    } else if (fire.planned && !isGood) return this.retract(fire, 'claim');
    else if (prepared && isGood) {
      // Its mark is durable: shims may do it.
      fire.planned ??= planDeed(this.#ports, fire.stored, plan);
      const lookUs = dueUs - limits.lastLookUs;
      if (plan.maxClockErrorUs !== undefined && lookUs > this.#ports.time().atUs) wakeUs = lookUs;
    }
    this.#wakeAt(fire, wakeUs);
  }

  /** What decides about it is ahead of it. */
  #mustWait({ stored }: Fire): boolean {
    const { task = '' } = stored;
    if (this.#ports.queued(task) > 0) return true;
    const bundle = this.#ports.task(task)?.spec?.bundle;
    for (const { stored: other } of this.#deciding) {
      const concerns = other.task === undefined ? other.bundle === bundle : other.task === task;
      if (concerns && firesBefore(other, stored)) return true;
    }
    return false;
  }

  /** What should have fired long ago, by a clock that was put or stood still, is to be judged. */
  #overdue(): void {
    const { atUs: nowUs } = this.#ports.time();
    const lateness = { nowUs, presentUs: this.#ports.presence.sinceUs, isOvertaken: false };
    for (const fire of this.arming.armed()) {
      const { dueUs } = fire.stored;
      if (dueUs > nowUs || missedWhy(dueUs, lateness) === undefined) continue;
      this.arming.disarm(fire, 'claim');
    }
  }
}
