/**
 * The runs of this node: each a `Process` driven over the table, stored and reported at every
 * change, and forgotten when its task's retention says so.
 *
 * It knows no orders: whoever waits for a run hears that it changed. What a pending run waits for
 * (its bundle, the end of the run it replaces, runs of other tasks) is looked at again whenever one
 * of these changes.
 */
import type { Shape } from '../../net/bodies.ts';
import { advance, type Input, newProcess, type Process } from '../../supervisor/process.ts';
import type { Room } from '../../supervisor/room.ts';
import { hasEnded } from '../../supervisor/states.ts';
import { awaitedBy, replacedBy, replaces } from './awaited.ts';
import type { Bundles } from './bundles.ts';
import { Dependencies } from './dependencies.ts';
import type { Acted, AgentAction, Item, StoredRun, Time } from './events.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import { LiveRuns } from './live-runs.ts';
import type { Reports } from './reports.ts';
import { livingAgain } from './revival.ts';
import { RoomKeeper } from './room-keeper.ts';
import { rowOf } from './row.ts';
import { actionOf } from './run-acts.ts';
import { ShimActs } from './shim-acts.ts';
import { surplusRuns } from './surplus.ts';

export interface RunPorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  bundles(): Bundles;
  leases(): Pick<Leases, 'fenceOf' | 'settled' | 'why'>;
  /** What the runs may ask for together. */
  readonly room: Room;
  node(): string;
  /** The process of a run has changed (or tried to): orders may be answered now. */
  settled(run: string): void;
}

export class Runs {
  readonly #ports: RunPorts;
  readonly #runs = new Map<string, StoredRun>();
  readonly #live = new LiveRuns();
  readonly #dependencies = new Dependencies((run) => this.#runs.get(run));
  /** What was last reported of each run, so that only changes are. */
  readonly #told = new Map<string, string>();
  readonly #pending = new Set<string>();
  readonly shimActs = new ShimActs();
  readonly room: RoomKeeper;
  readonly #evaluate = (run: string): void => this.evaluate(run);
  #retentionDue = false;
  /** At a start, nothing is launched before every run is known. */
  #begun = false;

  constructor(ports: RunPorts) {
    this.#ports = ports;
    this.room = new RoomKeeper({
      ...ports,
      get: (run) => this.#runs.get(run),
      apply: (run, input) => this.apply(run, input),
      note: (run, facts) => this.note(run, facts),
      waits: (run, reason) => this.#wait(this.#runs.get(run), reason),
      go: (run) => this.#go(run),
      dependencies: () => this.#dependencies.waits(ports.time().atUs),
    });
  }

  get(run: string): StoredRun | undefined {
    return this.#runs.get(run);
  }

  all(): Iterable<StoredRun> {
    return this.#runs.values();
  }

  acted(run: string, acted: Acted): void {
    this.shimActs.put(run, acted);
    // It was ended on purpose: no policy brings it back, whoever hears first of its end.
    if (acted.act === 'kill' || acted.act === 'stop') this.note(run, { wish: 'down' });
    this.#ports.settled(run);
  }

  /** Runs that have not ended. */
  *live(): Generator<StoredRun> {
    yield* this.#those(this.#live.all());
  }

  liveOf(task: string | undefined): StoredRun[] {
    return task === undefined ? [] : [...this.#those(this.#live.of(task))];
  }

  *#those(ids: Iterable<string>): Generator<StoredRun> {
    for (const id of ids) {
      const stored = this.#runs.get(id);
      if (stored) yield stored;
    }
  }

  digestsInUse(): ReadonlySet<string> {
    const used = new Set<string>();
    for (const { order } of this.live()) if (order.digest !== undefined) used.add(order.digest);
    return used;
  }

  /** A run as it was stored; nothing is done about it. */
  load(stored: StoredRun): void {
    const { process } = stored;
    this.#runs.set(process.run, stored);
    this.#live.put(stored);
    this.#dependencies.put(stored);
    this.room.put(stored);
    this.#told.set(process.run, JSON.stringify(rowOf(stored)));
    if (process.state === 'pending') this.#pending.add(process.run);
  }

  /** A new run, pending until what it needs is there. */
  create(order: Item, { isNews = false }: { readonly isNews?: boolean } = {}): StoredRun {
    const { run = '', spec } = order;
    const rule = { signal: spec?.stopSignal, graceMs: spec?.stopGraceMs };
    const stored: StoredRun = { process: newProcess(run, this.#ports.time().atUs, rule), order };
    // The server made this run: that it is pending is no news. One of a firing is made here.
    if (!isNews) this.#told.set(run, JSON.stringify(rowOf(stored)));
    this.#keep(stored);
    this.#ports.leases().settled(run);
    return stored;
  }

  /** Sets a run to what a restart of the agent found; reported where that is news. */
  replace(stored: StoredRun): void {
    this.#keep(stored);
  }

  apply(run: string, input: Input): void {
    const stored = this.#runs.get(run);
    if (!stored) return;
    const { process: before } = stored;
    const time = this.#ports.time();
    const step = advance(before, input, time);
    const { process, actions } = livingAgain(before, step, stored.order, time);
    if (process !== before) this.#keep({ ...stored, process });
    const fenceUs = this.#ports.leases().fenceOf(run);
    const isLeased = stored.order.term !== undefined;
    for (const action of actions) {
      if (action === 'launch' && isLeased && fenceUs === undefined) {
        const reason = 'it has no lease';
        this.apply(run, { event: 'launch-failed', reason, errorCode: 'lease-ended' });
        return;
      }
      const asked = actionOf(process, stored.order, action, fenceUs);
      if (asked) this.#ports.act(asked);
    }
    if (process.state === 'disarmed') this.#forget(stored);
    this.#ports.settled(run);
    if (hasEnded(process.state) && !hasEnded(before.state)) this.#ended(run);
    if (process !== before) this.#dependencies.wake(stored.order.task, this.#evaluate);
  }

  /** It never was; a later run of the same firing has its id and its place. */
  #forget(stored: StoredRun): void {
    const { run } = stored.process;
    this.#dependencies.forget(stored);
    this.room.forget(run);
    this.#runs.delete(run);
    this.#told.delete(run);
    this.#ports.ledger.remove('runs', run);
    this.#ports.act({ type: 'remove', run });
  }

  /** Facts beside its state, which stays as it is. */
  note(run: string, facts: Partial<Process>): void {
    const stored = this.#runs.get(run);
    if (!stored || hasEnded(stored.process.state)) return;
    this.#keep({ ...stored, process: { ...stored.process, ...facts } });
    this.#dependencies.wake(stored.order.task, this.#evaluate);
  }

  /** Looks again at what a pending run waits for: it may go, is ended, or says what is missing. */
  evaluate(run: string): void {
    const stored = this.#runs.get(run);
    if (!this.#begun || stored?.process.state !== 'pending') return;
    const waits = this.#waitsFor(stored);
    if (waits !== undefined) this.room.leave(run);
    if (typeof waits === 'string') this.#wait(stored, waits);
    else if (waits) this.apply(run, { event: 'give-up', ...waits });
    else {
      const reason = this.room.enter(stored);
      if (reason === undefined) return;
      this.apply(run, { event: 'give-up', reason, errorCode: 'unsupported' });
    }
  }

  #waitsFor(stored: StoredRun): ReturnType<typeof awaitedBy> {
    const ports = this.#ports;
    const hold = this.#dependencies.holdOf(stored, ports.node(), ports.time().atUs);
    const previous = replacedBy(stored, this);
    const lease = (): string | undefined => ports.leases().why(stored);
    return awaitedBy(stored, { hold, bundles: ports.bundles(), previous, lease });
  }

  #go(run: string): void {
    const stored = this.#runs.get(run);
    // Its lease may have ended while it waited.
    if (!stored || this.#waitsFor(stored) !== undefined) return this.evaluate(run);
    this.#runs.set(run, { ...stored, process: { ...stored.process, reason: undefined } });
    this.apply(run, { event: 'go' });
  }

  begin(): void {
    this.#begun = true;
    this.evaluatePending();
  }

  evaluatePending(): void {
    for (const run of [...this.#pending]) this.evaluate(run);
  }

  /** The earliest deadline of any run. */
  get deadlineMs(): number | undefined {
    let first: number | undefined;
    for (const { process } of this.live()) {
      const { deadlineMs } = process;
      if (deadlineMs !== undefined && (first === undefined || deadlineMs < first)) {
        first = deadlineMs;
      }
    }
    return first;
  }

  tick(): void {
    const { nowMs } = this.#ports.time();
    for (const { process } of [...this.live()]) {
      if (process.deadlineMs === undefined || process.deadlineMs > nowMs) continue;
      this.apply(process.run, { event: 'deadline' });
    }
  }

  /** Ended runs beyond their task's number or age go, the oldest first. */
  retain(force = false): void {
    if (!this.#retentionDue && !force) return;
    this.#retentionDue = false;
    for (const stored of surplusRuns(this.#runs.values(), this.#ports.time().atUs)) {
      const { run } = stored.process;
      this.#runs.set(run, { ...stored, removing: true });
      // How it ended lies nowhere but in its directory, until it is stored.
      this.#ports.ledger.after(() => this.#ports.act({ type: 'remove', run }));
    }
  }

  /** Its directories are gone: the row may go. */
  removed(run: string): void {
    const stored = this.#runs.get(run);
    if (!stored?.removing) return;
    this.#dependencies.forget(stored);
    this.#runs.delete(run);
    this.#told.delete(run);
    this.shimActs.forget(run);
    this.#ports.ledger.removeLater('runs', run);
  }

  row(run: string): Shape<'process'> | undefined {
    const stored = this.#runs.get(run);
    return stored && rowOf(stored);
  }

  #wait(stored: StoredRun | undefined, reason: string): void {
    if (!stored || stored.process.reason === reason) return;
    this.#keep({ ...stored, process: { ...stored.process, reason } });
  }

  #keep(stored: StoredRun): void {
    const { ledger, reports } = this.#ports;
    const { run, state } = stored.process;
    this.#runs.set(run, stored);
    this.#live.put(stored);
    this.#dependencies.put(stored);
    this.room.put(stored);
    if (state === 'pending') this.#pending.add(run);
    else this.#pending.delete(run);
    const { deadlineMs: _, ...process } = stored.process;
    ledger.put('runs', run, { ...stored, process });
    const row = rowOf(stored);
    const text = JSON.stringify(row);
    if (this.#told.get(run) === text) return;
    this.#told.set(run, text);
    reports.process(row, this.#ports.time().atUs);
    this.#ports.act({ type: 'changed', run });
  }

  #ended(run: string): void {
    this.#retentionDue = true;
    this.#ports.bundles().sweep();
    // Who replaces this run was waiting for its end.
    const { task } = this.#runs.get(run)?.order ?? {};
    for (const pending of [...this.#pending]) {
      if (replaces(this.#runs.get(pending), task)) this.evaluate(pending);
    }
  }
}
