/**
 * Arming: a start that is claimed is prepared before its instant, down to a child of the shim that
 * waits at its gate, so that the instant costs one exec and needs no agent. What is armed is a run
 * like any other, in state `armed`; it is taken back without a trace when it must not be.
 *
 * When. So long ahead that all that is to be armed is ready in time: the busier the node and the
 * more firings are near, the sooner it begins; a few at a time, so that nothing else waits for it.
 *
 * What. Unless its rule allows overlaps, a start is armed only while no other run of its task lives
 * here: so one that fires with the agent gone cannot meet another. A start whose predecessor runs
 * is armed when that has ended; one whose predecessor still runs at the instant is judged then, by
 * its rule. Where code or the task changes, or another run of it begins, what is armed is disarmed,
 * and armed anew if it still may be. Who is first at the gate decides: the shim answers whether the
 * run was cancelled or has fired. So a start that must be alone, and comes late, waits for that
 * answer (`makeRoom`).
 */
import { limits } from '../../base/limits.ts';
import { isWaiting } from '../../supervisor/states.ts';
import { type DeedPorts, startOrder } from './deeds.ts';
import type { Item } from './events.ts';
import type { Fire } from './fire.ts';
import {
  clockWhy,
  firesBefore,
  isHeldBehind,
  type Plan,
  type StoredFire,
  startsRun,
} from './firing.ts';

export interface ArmingPorts extends DeedPorts {
  plan(schedule: string): Plan | undefined;
  /** Something claimed comes before it that decides what it starts, or whether. */
  mustWait(fire: Fire): boolean;
  /** Right before its run is made. */
  arms(fire: Fire): void;
}

const MICROSECONDS = 1_000;
/** What one arming takes, before any was measured; and how fast what is measured counts. */
const FIRST_COST_US = 10_000;
const WEIGHT = 0.2;
/** Estimates are of a quiet moment: there is room for a loud one. */
const MARGIN = 3;
/** A clock that was not good enough is looked at again. */
const LOOK_AGAIN_US = 250_000;

export class Arming {
  readonly #ports: ArmingPorts;
  /** Claimed starts, the first to fire first. */
  #ahead: Fire[] = [];
  readonly #armed = new Set<Fire>();
  /** Handed to the edge, and not heard to be ready; since when. */
  readonly #underWay = new Map<Fire, number>();
  /** Those that were told to be taken back, until their shims have said whether they were. */
  readonly #disarming = new Set<Fire>();
  #doubted: Set<Fire> | 'all' = new Set();
  #costUs = FIRST_COST_US;
  #lookAgainUs: number | undefined;

  constructor(ports: ArmingPorts) {
    this.#ports = ports;
  }

  /** When something wants to be armed next, in true time. */
  get wakeUs(): number | undefined {
    const { atUs } = this.#ports.time();
    const leadUs = this.#leadUs(atUs);
    const next = this.#ahead.find(({ stored }) => stored.dueUs - leadUs > atUs);
    const wakeUs = next ? next.stored.dueUs - leadUs : undefined;
    return this.#lookAgainUs === undefined
      ? wakeUs
      : Math.min(wakeUs ?? Infinity, this.#lookAgainUs);
  }

  /** A claim of a start, durable. */
  add(fire: Fire): void {
    this.doubtTask(fire.stored.task ?? '');
    const at = this.#ahead.findLastIndex((other) => firesBefore(other.stored, fire.stored));
    this.#ahead.splice(at + 1, 0, fire);
  }

  /** It is carried out, taken back or judged: no more is to be armed for it. */
  drop(fire: Fire): void {
    const at = this.#ahead.indexOf(fire);
    if (at >= 0) this.#ahead.splice(at, 1);
    this.#armed.delete(fire);
    this.#underWay.delete(fire);
    this.#disarming.delete(fire);
  }

  /** A run of an earlier life of the agent that waits at its gate. */
  found(fire: Fire): void {
    fire.state = 'armed';
    fire.after = 'claim';
    this.#armed.add(fire);
    this.doubt(fire);
  }

  armed(): readonly Fire[] {
    return [...this.#armed];
  }

  /** What was decided about it may not hold any more. */
  doubt(fire: Fire | 'all'): void {
    if (fire === 'all' || this.#doubted === 'all') this.#doubted = 'all';
    else this.#doubted.add(fire);
  }

  /** A run of the task has changed. */
  doubtTask(task: string): void {
    for (const fire of this.#armed) if (fire.stored.task === task) this.doubt(fire);
  }

  /** Takes back what must not fire, arms what is due to be armed; once a step is enough. */
  arm(): void {
    this.#lookAgainUs = undefined;
    this.#review();
    if (this.#ahead.length === 0) return;
    const { atUs } = this.#ports.time();
    const leadUs = this.#leadUs(atUs);
    /** Tasks of which a start comes first that is not armed. */
    const behind = new Set<string | undefined>();
    for (const fire of [...this.#ahead]) {
      const { dueUs, schedule, task } = fire.stored;
      if (dueUs - leadUs > atUs) return;
      if (this.#underWay.size >= limits.armingAtOnce) return;
      if (this.#armed.size >= limits.armedAtOnce) return;
      const plan = this.#ports.plan(schedule);
      const isBehind = plan?.overlap !== 'allow' && behind.has(task);
      if (plan && dueUs > atUs && !isBehind) this.#tryOne(fire, plan);
      if (fire.state === 'claimed') behind.add(task);
    }
  }

  /** What its run says: still held; `begun` (or ended without); or gone without a trace. */
  standing(fire: Fire): 'held' | 'begun' | 'gone' {
    const process = this.#ports.runs().get(fire.stored.run ?? '')?.process;
    if (!process) return 'gone';
    if (!isWaiting(process.state)) return 'begun';
    if (process.state === 'armed') this.#isReady(fire);
    return 'held';
  }

  disarm(fire: Fire, after: 'claim' | 'forget'): void {
    fire.after = after;
    if (fire.state === 'disarming') return;
    fire.state = 'disarming';
    this.#armed.delete(fire);
    this.#underWay.delete(fire);
    this.#disarming.add(fire);
    this.#ports.runs().apply(fire.stored.run ?? '', { event: 'disarm' });
  }

  /**
   * A start that must be alone is to begin: what is held for later ones of its task is taken back.
   * True: it is not known yet whether that was still held.
   */
  makeRoom(stored: StoredFire, plan: Plan): boolean {
    const { action, task = '' } = stored;
    if (!startsRun(stored) || (action === 'start' && plan.overlap === 'allow')) return false;
    const { atUs } = this.#ports.time();
    for (const one of [...this.#armed]) {
      const other = this.#ports.runs().get(one.stored.run ?? '');
      if (one.stored.task !== task || !other) continue;
      if (isHeldBehind(other, stored, atUs)) this.disarm(one, 'claim');
    }
    return this.isMakingRoom(task);
  }

  isMakingRoom(task: string): boolean {
    for (const { stored } of this.#disarming) if (stored.task === task) return true;
    return false;
  }

  // ---- inside ----

  #leadUs(atUs: number): number {
    const horizonUs = atUs + limits.armAheadMaxUs;
    let near = 0;
    for (const { stored } of this.#ahead) {
      if (stored.dueUs > horizonUs) break;
      near += 1;
    }
    const wantedUs = limits.armAheadUs + MARGIN * this.#costUs * near;
    return Math.min(wantedUs, limits.armAheadMaxUs);
  }

  #tryOne(fire: Fire, plan: Plan): void {
    const { stored } = fire;
    const start = startOrder(this.#ports, stored, plan);
    if ('result' in start || this.#ports.mustWait(fire)) return;
    const { atUs, errorUs } = this.#ports.time();
    if (clockWhy(plan, errorUs) !== undefined) {
      this.#lookAgainUs = atUs + LOOK_AGAIN_US;
      return;
    }
    // What waits for another task, or for a lease, is judged at its instant.
    if (start.order.spec?.afterTasks?.length || start.order.term !== undefined) return;
    if (!this.#isLoaded(start.order)) return;
    if (!this.#isAlone(fire, plan)) return;
    // Without it, it waits for room from its instant on.
    if (!this.#ports.runs().room.hasRoomFor(start.order)) return;
    this.drop(fire);
    fire.state = 'armed';
    fire.after = 'claim';
    fire.armedAs = JSON.stringify(start.order);
    this.#armed.add(fire);
    this.#underWay.set(fire, this.#ports.time().nowMs);
    this.#ports.arms(fire);
    const runs = this.#ports.runs();
    runs.create(start.order);
    runs.evaluate(stored.run ?? '');
  }

  #isLoaded({ digest, bundle = '' }: Item): boolean {
    return digest === undefined || this.#ports.bundles().judge(digest, bundle) === 'loaded';
  }

  /** No start of the task comes before it that is not armed. */
  #isNext({ stored }: Fire, { overlap }: Plan): boolean {
    if (overlap === 'allow') return true;
    const first = this.#ahead.find((other) => other.stored.task === stored.task);
    return first === undefined || !firesBefore(first.stored, stored);
  }

  /** No other run of the task lives; what is held for a later firing makes room. */
  #isAlone(fire: Fire, { overlap }: Plan): boolean {
    if (overlap === 'allow') return true;
    const others = this.#ports.runs().liveOf(fire.stored.task);
    const { atUs } = this.#ports.time();
    if (!others.every((other) => isHeldBehind(other, fire.stored, atUs))) return false;
    for (const one of [...this.#armed]) {
      if (one.stored.task === fire.stored.task) this.disarm(one, 'claim');
    }
    return this.#ports.runs().liveOf(fire.stored.task).length === 0;
  }

  #isReady(fire: Fire): void {
    const sinceMs = this.#underWay.get(fire);
    if (sinceMs === undefined) return;
    const tookUs = (this.#ports.time().nowMs - sinceMs) * MICROSECONDS;
    this.#costUs += WEIGHT * (tookUs / this.#underWay.size - this.#costUs);
    this.#underWay.delete(fire);
  }

  #review(): void {
    const doubted = this.#doubted === 'all' ? [...this.#armed] : [...this.#doubted];
    this.#doubted = new Set();
    for (const fire of doubted) {
      if (fire.state === 'armed' && !this.#holds(fire)) this.disarm(fire, 'claim');
    }
  }

  /** Whether it would be armed as it is, if it were not. */
  #holds(fire: Fire): boolean {
    const { stored } = fire;
    const { atUs } = this.#ports.time();
    // Its instant has come: it is the shim's.
    if (stored.dueUs <= atUs) return true;
    const plan = this.#ports.plan(stored.schedule);
    const start = plan && startOrder(this.#ports, stored, plan);
    if (!start || 'result' in start || this.#ports.mustWait(fire)) return false;
    if (this.#ports.runs().room.isUnwanted(stored.run ?? '')) return false;
    fire.armedAs ??= JSON.stringify(this.#ports.runs().get(stored.run ?? '')?.order);
    if (fire.armedAs !== JSON.stringify(start.order)) return false;
    if (plan.overlap === 'allow') return true;
    if (!this.#isNext(fire, plan)) return false;
    const others = this.#ports.runs().liveOf(stored.task);
    return others.every((other) => {
      return other.process.run === stored.run || isHeldBehind(other, stored, atUs);
    });
  }
}
