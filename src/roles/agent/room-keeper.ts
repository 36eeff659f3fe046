/**
 * The room of this node, kept over its runs: what they take, who waits for it in which order, and
 * what is done about that once a step, when all else has been. The rules are those of room.ts and
 * room-tally.ts. Nothing of it is stored but marks of runs (supervisor/preemption.ts): another life
 * of the agent finds the same queue in the same order.
 */
import { preemptorText } from '../../supervisor/preemption.ts';
import type { Input, Process } from '../../supervisor/process.ts';
import { rested } from '../../supervisor/relaunch.ts';
import { askOf, type Room, roomFault } from '../../supervisor/room.ts';
import type { AgentAction, Item, StoredRun, Time } from './events.ts';
import { gateOf } from './firing.ts';
import type { Ledger } from './ledger.ts';
import type { Reports } from './reports.ts';
import {
  behindText,
  fits,
  type Holding,
  judgeRoom,
  type Level,
  lackText,
  minus,
  nothing,
  type Preemption,
  plus,
  roomVector,
  type Vector,
  vectorOf,
  type Waiting,
} from './room.ts';
import { RoomQueue } from './room-queue.ts';
import {
  askVector,
  higher,
  lentLevels,
  ownLevel,
  type Tally,
  tallyOf,
  type Waits,
} from './room-tally.ts';

export interface RoomPorts {
  readonly room: Room;
  readonly ledger: Ledger;
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  get(run: string): StoredRun | undefined;
  apply(run: string, input: Input): void;
  note(run: string, facts: Partial<Process>): void;
  /** Says why a pending run waits. */
  waits(run: string, reason: string): void;
  /** A pending run may go. */
  go(run: string): void;
  dependencies(): Waits;
}

const NO_LEVELS: ReadonlyMap<string, Level> = new Map();

export class RoomKeeper {
  readonly #ports: RoomPorts;
  readonly #total: Vector;
  readonly #tallies = new Map<string, Tally>();
  readonly #queue = new RoomQueue();
  #used = nothing;
  #coming = nothing;
  #lent = NO_LEVELS;
  #unwanted: ReadonlySet<string> = new Set();
  #isDirty = false;

  constructor(ports: RoomPorts) {
    this.#ports = ports;
    this.#total = roomVector(ports.room);
  }

  /** A run as it now is. */
  put(stored: StoredRun): void {
    const { run, state } = stored.process;
    const tally = tallyOf(stored);
    this.#count(run, tally);
    if (tally.wants) this.#enter(stored, tally.wants);
    else if (state !== 'pending') this.leave(run);
  }

  forget(run: string): void {
    this.#count(run, undefined);
    this.leave(run);
  }

  /** It waits for nothing else; the answer is why it never will go. It goes in `settle`. */
  enter(stored: StoredRun): string | undefined {
    const { order } = stored;
    const asks = askOf(order.spec, order.task !== undefined);
    const fault = roomFault(asks, this.#ports.room);
    if (fault !== undefined) return `there never is room for it: ${fault}`;
    this.#enter(stored, vectorOf(asks));
    return undefined;
  }

  /** It does not wait for room, or for something else as well. */
  leave(run: string): void {
    if (this.#queue.remove(run)) this.#isDirty = true;
  }

  /** Whether a start that is to be armed may have its room from now on: nobody needs it before. */
  hasRoomFor({ spec, task }: Item): boolean {
    const asks = vectorOf(askOf(spec, task !== undefined));
    let left = this.#free;
    for (const one of this.#queue.inOrder) {
      if (one.level.priority < (spec?.priority ?? 0)) break;
      left = minus(left, one.asks);
      if (!fits(asks, left)) return false;
    }
    return fits(asks, left);
  }

  /** It is armed, and somebody waits for what it holds. */
  isUnwanted(run: string): boolean {
    return this.#unwanted.has(run);
  }

  /** Who can go goes, and room is made; whether something armed is to be taken back for it. */
  settle(): boolean {
    this.#unwanted = new Set();
    while (this.#isDirty) {
      this.#isDirty = false;
      if (this.#queue.size === 0) break;
      this.#lend();
      const { go, preempt, unwanted } = judgeRoom({
        ...{ free: this.#free, coming: this.#coming, queue: this.#queue.inOrder },
        holdings: () => this.#holdings(),
      });
      this.#unwanted = new Set(unwanted);
      for (const one of preempt) this.#preempt(one);
      for (const { run } of go) this.#go(run);
      // Words are those of a queue that has come to rest.
      if (!this.#isDirty) this.#tell();
    }
    return this.#unwanted.size > 0;
  }

  // ---- inside ----

  get #free(): Vector {
    return minus(this.#total, this.#used);
  }

  #count(run: string, tally: Tally | undefined): void {
    const before = this.#tallies.get(run);
    if (!before && !tally) return;
    this.#used = minus(plus(this.#used, tally?.holds ?? nothing), before?.holds ?? nothing);
    this.#coming = minus(plus(this.#coming, tally?.coming ?? nothing), before?.coming ?? nothing);
    const isIdle = !tally || (tally.holds.every((much) => much === 0) && !tally.wants);
    if (isIdle) this.#tallies.delete(run);
    else this.#tallies.set(run, tally);
    if (JSON.stringify(before) !== JSON.stringify(tally)) this.#isDirty = true;
  }

  #enter(stored: StoredRun, asks: Vector): void {
    const { run } = stored.process;
    const level = this.#levelOf(stored);
    const gateUs = gateOf(stored.order);
    const isEarly = gateUs !== undefined && gateUs > this.#ports.time().atUs;
    const patient = { priority: level.priority, suspendBelow: 0, killBelow: 0 };
    const one: Waiting = {
      run,
      asks,
      level: isEarly ? patient : level,
      cameUs: this.#cameUs(stored),
    };
    if (this.#queue.put(one)) this.#isDirty = true;
  }

  #levelOf(stored: StoredRun): Level {
    const lent = this.#lent.get(stored.process.run);
    return lent ? higher(ownLevel(stored), lent) : ownLevel(stored);
  }

  /** A restart has the place of what it replaces. */
  #cameUs({ order, process }: StoredRun): number {
    const cameUs = order.at ?? process.createdAt;
    const previous = order.previous === undefined ? undefined : this.#ports.get(order.previous);
    return previous ? Math.min(cameUs, this.#cameUs(previous)) : cameUs;
  }

  #lend(): void {
    const waits = this.#ports.dependencies();
    if (waits.length === 0 && this.#lent.size === 0) return;
    this.#lent = lentLevels(waits);
    for (const { run, asks } of [...this.#queue.inOrder]) {
      const stored = this.#ports.get(run);
      if (stored) this.#enter(stored, asks);
    }
    this.#isDirty = false;
  }

  #holdings(): Holding[] {
    const holdings: Holding[] = [];
    for (const [run, { ways }] of this.#tallies) {
      if (!ways.disarmed && !ways.suspended && !ways.killed) continue;
      const stored = this.#ports.get(run);
      if (!stored) continue;
      const { priority } = this.#levelOf(stored);
      const sinceUs = stored.process.startedAt ?? stored.process.createdAt;
      holdings.push({ run, priority, sinceUs, ...ways });
    }
    return holdings;
  }

  #go(run: string): void {
    const stored = this.#ports.get(run);
    this.leave(run);
    if (!stored) return;
    const { process } = stored;
    if (process.state === 'pending') this.#ports.go(run);
    else if (process.state === 'suspended') this.#ports.apply(run, { event: 'want-resume' });
    else {
      const time = this.#ports.time();
      const { deadlineMs = time.nowMs } = rested({ ...process, preempted: undefined }, time);
      this.#ports.note(run, { preempted: undefined, deadlineMs });
      if (deadlineMs <= time.nowMs) this.#ports.apply(run, { event: 'deadline' });
    }
  }

  #preempt({ run, for: one, how }: Preemption): void {
    const stored = this.#ports.get(run);
    if (!stored) return;
    const { task } = this.#ports.get(one.run)?.order ?? {};
    const { atUs } = this.#ports.time();
    const { priority } = one.level;
    const preempted = { run: one.run, task, priority, how, atUs };
    const text = `${how === 'kill' ? 'stopped' : 'suspended'} for ${preemptorText(preempted)}`;
    this.#ports.reports.event(
      { eventKind: 'process-preempted', text, run, task: stored.order.task },
      atUs,
    );
    const waits = stored.process.state === 'backoff';
    this.#ports.note(run, waits ? { preempted, deadlineMs: undefined } : { preempted });
    if (!waits) this.#ports.ledger.after(() => this.#carryOut(run, preempted.atUs, one.run));
  }

  /** Its mark is durable. */
  #carryOut(run: string, atUs: number, forRun: string): void {
    const process = this.#ports.get(run)?.process;
    const { preempted } = process ?? {};
    if (process?.state !== 'running' || !preempted) return;
    if (preempted.atUs !== atUs || preempted.run !== forRun) return;
    if (preempted.how === 'kill') {
      const reason = `made room for ${preemptorText(preempted)}`;
      this.#ports.apply(run, { event: 'give-way', ending: { reason, again: true } });
      return;
    }
    // A resume that its shim was told of would come too early now.
    this.#ports.act({ type: 'plan', run, act: 'thaw', atUs: undefined });
    this.#ports.apply(run, { event: 'want-suspend', isPreemption: true });
  }

  #tell(): void {
    for (const [one, before] of this.#queue.moved()) {
      const stored = this.#ports.get(one.run);
      if (stored?.process.state !== 'pending') continue;
      const asks = askVector(stored);
      const text = before
        ? behindText(asks, this.#nameOf(before))
        : lackText(asks, this.#free, this.#total);
      this.#ports.waits(one.run, text);
    }
  }

  #nameOf({ run, level: { priority } }: Waiting): string {
    return preemptorText({ run, task: this.#ports.get(run)?.order.task, priority });
  }
}
