/**
 * Firings of this node from claim to outcome. A claim is durable before its instant or fires
 * late, never unclaimed; what becomes of it goes into the reports in the same commit that takes
 * the claim away. So each ends as ok, failed, skipped or lost, once, over any crash: a start is
 * known by its run, whose id follows from the firing; every other deed is marked as prepared
 * shortly before its instant, so that a later life knows whether it may have been carried out.
 *
 * It knows what is due, not why: instants come from the planner (schedules.ts), what is ahead is
 * kept and prepared by claims.ts, deeds are done by deeds.ts, judgements are in firing.ts.
 */
import type { Planned } from '../../scheduler/planner.ts';
import type { End } from '../../supervisor/end.ts';
import { Claims } from './claims.ts';
import { beginDeed, orderOf, present, repeatDeed, settleDeed, signalEnding } from './deeds.ts';
import type { StoredRun } from './events.ts';
import type { Fire } from './fire.ts';
import { asSeen, cancelWaiting, isDueToEnd, type TakeUpPorts, takeUp } from './fire-boot.ts';
import { FireQueue, FiresByRun } from './fire-queue.ts';
import type { Ending, Plan, StoredFire } from './firing.ts';
import { endingReason, fireRow, skipped, skipWhy } from './firing.ts';
import type { Ledger } from './ledger.ts';
import { Presence } from './presence.ts';
import type { Reports } from './reports.ts';
import { asDone, asNow, doneTo, isDone, isUnknown, truly } from './timed-deeds.ts';

export interface FirePorts extends TakeUpPorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  /** An instant of the schedule that is not claimed yet is due. */
  hasDue(schedule: string): boolean;
}

export class Fires {
  readonly #ports: FirePorts;
  readonly #claims: Claims;
  readonly #byRun = new FiresByRun<Fire>();
  readonly #queue = new FireQueue<Fire>();
  /** Looks at the clock, before anything else of a step. */
  readonly presence = new Presence();
  #begun = false;

  constructor(ports: FirePorts) {
    this.#ports = ports;
    this.#claims = new Claims({
      ...ports,
      presence: this.presence,
      queued: (task) => this.#queue.sizeOf(task),
      arms: (fire) => this.#byRun.add([fire.stored.run ?? ''], fire),
    });
  }

  /** Claims whose instant has not come. */
  get outstanding(): number {
    return this.#claims.outstanding;
  }

  /** When to tick next, on the monotonic clock. */
  get deadlineMs(): number | undefined {
    return this.#claims.deadlineMs;
  }

  /** What an earlier life of the agent had claimed. */
  load(rows: Iterable<StoredFire>): void {
    for (const stored of rows) this.#claims.load(stored);
  }

  isDueToEnd(run: StoredRun, end: End): boolean {
    return isDueToEnd(this.#ports, this.#claims.all(), run, end);
  }

  /** What was begun is settled or taken up, what is past is judged. */
  begin(): void {
    this.#begun = true;
    this.#claims.all().forEach((fire, _, all) => this.#takeUp(fire, all));
    this.tick();
  }

  claim(planned: Planned, plan: Plan): void {
    this.#claims.claim(planned, plan);
  }

  /** What is armed may not be what is to fire. */
  doubt(): void {
    this.#claims.doubt();
  }

  /** Once a step, when all else has been done. */
  arm(): void {
    if (!this.#begun) return;
    for (const task of this.#queue.takeTurns()) this.#takeTurn(task);
    this.#claims.arm();
  }

  /**
   * The schedule goes, rests or changes: what has not come is taken back without a trace, what
   * waits its turn is skipped. The answer is the first instant taken back.
   */
  withdraw(schedule: string, why: string): number | undefined {
    let first: number | undefined;
    for (const [fire, standing] of this.#claims.of(schedule)) {
      if (standing !== 'come') first = Math.min(first ?? Infinity, fire.stored.plannedUs);
      if (standing === 'come') this.#skip(fire, why);
      else if (standing === 'held') this.#claims.disarm(fire);
      else if (fire.planned) this.#claims.retract(fire, 'forget');
      else this.#forget(fire);
    }
    return first;
  }

  /** Prepares what is near and fires what is due. */
  tick(): void {
    if (!this.#begun) return;
    const due = this.#claims.due();
    if (due.length === 0) return;
    const lastOf = this.#claims.lastDue();
    for (const fire of due) {
      const { schedule, dueUs, run = '' } = fire.stored;
      const isOvertaken = dueUs < (lastOf.get(schedule) ?? dueUs) || this.#ports.hasDue(schedule);
      if (fire.state === 'claimed') this.#fire(fire, isOvertaken);
      // It waits for something else than its instant now.
      const isPending = this.#ports.runs().get(run)?.process.state === 'pending';
      if (fire.state !== 'armed' || !isPending) continue;
      this.#waitFor(fire, [run]);
      this.#ports.runs().evaluate(run);
    }
  }

  /** A run has changed: firings that wait for it may be over, others may have their turn. */
  settled(run: string): void {
    if (!this.#begun) return;
    const fires = this.#byRun.of(run);
    for (const fire of fires) this.#settle(fire);
    const stored = this.#ports.runs().get(run);
    const task = stored?.order.task ?? fires[0]?.stored.task ?? '';
    if (stored) this.#claims.doubt(task);
    this.#queue.giveTurn(task);
  }

  signalled(order: string, run: string, reason: string | undefined): void {
    for (const fire of this.#byRun.of(run)) {
      if (orderOf(fire.stored, run).item !== order) continue;
      fire.stored = asDone(this.#ports, fire.stored, [run]);
      this.#close(fire, signalEnding(reason));
    }
  }

  /** What was told to a run's shim, or the thread, is taken back, or was done before. */
  retracted(run: string): void {
    for (const fire of this.#claims.retracted(run)) {
      const { after, stored } = fire;
      if (stored.targets) {
        fire.state = 'begun';
        this.#settle(fire);
      } else if (isDone(this.#ports, fire)) this.#fire(fire, false);
      else if (after === 'forget') this.#forget(fire);
      else if (typeof after === 'object') this.#close(fire, after);
      else this.#claims.again(fire);
    }
  }

  // ---- inside ----

  #takeUp(fire: Fire, all: readonly Fire[]): void {
    const { stored } = fire;
    const found = takeUp(this.#ports, stored, all);
    if (found === 'gone') this.#forget(fire);
    else if (found === 'claimed') this.#claims.await(fire);
    else if (found === 'armed') {
      this.#byRun.add([stored.run ?? ''], fire);
      this.#claims.hold(fire);
    } else if (found === 'queued') {
      fire.state = 'queued';
      this.#queue.add(stored.task ?? '', fire);
      this.#queue.giveTurn(stored.task ?? '');
    } else if ('planned' in found) {
      fire.planned = found.planned;
      this.#claims.await(fire);
    } else if ('targets' in found) {
      this.#waitFor(fire, found.targets);
      if (fire.state !== 'begun' || stored.run !== undefined) return;
      // Whether it was done before nobody knows: it is told as done now.
      this.#claims.store(fire, asNow(this.#ports, fire.stored));
      repeatDeed(this.#ports, fire.stored);
    } else {
      if (found.result === 'ok') {
        fire.stored = asSeen(this.#ports, stored);
        cancelWaiting(this.#ports, stored);
      }
      this.#close(fire, found);
    }
  }

  #fire(fire: Fire, isOvertaken: boolean): void {
    const { stored, planned } = fire;
    const done = isDone(this.#ports, fire) ? planned?.plan : undefined;
    const plan = this.#ports.plan(stored.schedule) ?? done;
    if (!plan) return this.#skip(fire, 'the schedule is gone');
    const { atUs, errorUs } = this.#ports.time();
    const lateness = { nowUs: atUs, presentUs: this.presence.sinceUs, isOvertaken };
    const reason = done ? undefined : skipWhy(stored, plan, { ...lateness, errorUs });
    if (reason === undefined) this.#begin(fire, plan);
    else this.#skip(fire, reason);
  }

  /** Where it may have been done already, that is found out first. */
  #skip(fire: Fire, why: string): void {
    if (isUnknown(fire)) this.#claims.retract(fire, skipped(why));
    else this.#close(fire, skipped(why));
  }

  #begin(fire: Fire, plan: Plan): void {
    const { stored } = fire;
    const { task = '' } = stored;
    const isBehind = plan.overlap === 'queue' && this.#queue.sizeOf(task) > 0;
    const waits = isBehind || this.#claims.arming.makeRoom(stored, plan);
    const begun = waits ? 'queue' : beginDeed(this.#ports, stored, plan);
    if (begun === 'queue') this.#putOff(fire, task);
    else if ('result' in begun && begun.result === 'failed' && isUnknown(fire)) {
      this.#claims.retract(fire, begun);
    } else if ('result' in begun) {
      const ending = truly(this.#ports, fire, begun);
      const at = asDone(this.#ports, asNow(this.#ports, stored), doneTo(this.#ports, fire));
      fire.stored = ending.result === 'ok' ? at : { ...at, firedUs: undefined };
      this.#close(fire, ending);
    } else {
      if (stored.run === undefined) fire.stored = asNow(this.#ports, stored);
      this.#waitFor(fire, begun.targets);
    }
  }

  #waitFor(fire: Fire, targets: readonly string[]): void {
    this.#claims.begun(fire);
    this.#claims.store(fire, { ...fire.stored, targets, queued: undefined });
    this.#byRun.add(targets, fire);
    this.#settle(fire);
  }

  #settle(fire: Fire): void {
    const { stored } = fire;
    this.#claims.rewind(fire);
    if (fire.state === 'armed' || fire.state === 'disarming') {
      const heard = this.#claims.heard(fire);
      if (heard === 'gone') this.#forget(fire);
      else if (heard === 'begun') this.#waitFor(fire, [stored.run ?? '']);
      return;
    }
    const ending = fire.state === 'begun' ? settleDeed(this.#ports, stored) : undefined;
    if (!ending) return;
    if (ending.result === 'failed' && isUnknown(fire)) return this.#claims.retract(fire, ending);
    if (stored.run !== undefined) {
      const { startedAt, startErrorUs } = this.#ports.runs().get(stored.run)?.process ?? {};
      fire.stored = { ...stored, firedUs: startedAt, clockErrorUs: startErrorUs };
    } else fire.stored = asDone(this.#ports, stored, stored.targets ?? []);
    this.#close(fire, truly(this.#ports, fire, ending));
  }

  #putOff(fire: Fire, task: string): void {
    const why = this.#queue.fullWhy(task);
    if (why !== undefined) return this.#close(fire, skipped(why));
    fire.state = 'queued';
    this.#claims.store(fire, { ...fire.stored, queued: true });
    this.#queue.add(task, fire);
  }

  /** Who waits longest is first; by `--overlap queue` it begins only once no run is left. */
  #takeTurn(task: string): void {
    for (const fire of this.#queue.of(task)) {
      if (this.#claims.arming.isMakingRoom(task)) return;
      const plan = this.#ports.plan(fire.stored.schedule);
      const isPatient = plan?.overlap === 'queue' && fire.stored.action === 'start';
      if (isPatient && present(this.#ports, fire.stored).length > 0) continue;
      this.#queue.remove(task, fire);
      if (!plan) this.#close(fire, skipped('the schedule is gone'));
      else this.#begin(fire, isPatient ? { ...plan, overlap: 'forbid' } : plan);
    }
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
    this.#byRun.remove(stored.targets ?? [stored.run ?? ''], fire);
    if (state === 'queued') this.#queue.remove(stored.task ?? '', fire);
    this.#claims.forget(fire);
  }
}
