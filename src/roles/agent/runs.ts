/**
 * The runs of this node: each a `Process` driven over the table, stored and reported at every
 * change, and forgotten when its task's retention says so.
 *
 * It knows no orders: whoever waits for a run hears that it changed. What a pending run waits for
 * (its bundle, the end of the run it replaces) is looked at again whenever one of these changes.
 */

import type { Shape } from '../../net/bodies.ts';
import {
  advance,
  type Input,
  newProcess,
  type Process,
  type Step,
} from '../../supervisor/process.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { Action } from '../../supervisor/table.ts';
import type { Bundles } from './bundles.ts';
import type { Acted, AgentAction, Item, StoredRun, Time } from './events.ts';
import type { Ledger } from './ledger.ts';
import { LiveRuns } from './live-runs.ts';
import type { Reports } from './reports.ts';
import { revivalOf } from './revival.ts';
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
  /** The process of a run has changed (or tried to): orders may be answered now. */
  settled(run: string): void;
}

export class Runs {
  readonly #ports: RunPorts;
  readonly #runs = new Map<string, StoredRun>();
  readonly #live = new LiveRuns();
  /** What was last reported of each run, so that only changes are. */
  readonly #told = new Map<string, string>();
  readonly #pending = new Set<string>();
  readonly shimActs = new ShimActs();
  #retentionDue = false;
  /** At a start, nothing is launched before every run is known. */
  #begun = false;

  constructor(ports: RunPorts) {
    this.#ports = ports;
  }

  get(run: string): StoredRun | undefined {
    return this.#runs.get(run);
  }

  all(): Iterable<StoredRun> {
    return this.#runs.values();
  }

  acted(run: string, acted: Acted): void {
    this.shimActs.put(run, acted);
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
    const step = advance(before, input, this.#ports.time());
    const { process, actions } = this.#judgeEnd(before, step, stored.order);
    if (process !== before) this.#keep({ ...stored, process });
    for (const action of actions) this.#act(process, stored.order, action);
    if (process.state === 'disarmed') this.#forget(run);
    this.#ports.settled(run);
    if (hasEnded(process.state) && !hasEnded(before.state)) this.#ended(run);
  }

  /** It never was; a later run of the same firing has its id and its place. */
  #forget(run: string): void {
    this.#runs.delete(run);
    this.#told.delete(run);
    this.#ports.ledger.remove('runs', run);
    this.#ports.act({ type: 'remove', run });
  }

  /** A run that has just ended may live again, by its task's policy: then it never had ended. */
  #judgeEnd(before: Process, step: Step, order: Item): Step {
    if (hasEnded(before.state) || before.state === 'backoff') return step;
    if (!['exited', 'lost'].includes(step.process.state)) return step;
    const time = this.#ports.time();
    const verdict = revivalOf(step.process, order, time);
    if (verdict.kind === 'stays') return step;
    if (verdict.kind === 'used-up') {
      const next = advance(step.process, { event: 'use-up', reason: verdict.reason }, time);
      return { process: next.process, actions: [...step.actions, ...next.actions] };
    }
    const { reason } = verdict;
    const waits = advance(step.process, { event: 'revive', reason, revival: verdict }, time);
    const next = verdict.inMs > 0 ? waits : advance(waits.process, { event: 'deadline' }, time);
    // Its control group and the index of its logs are those of its next launch.
    const actions = step.actions.filter((action) => action !== 'release');
    return { process: next.process, actions: [...actions, ...next.actions] };
  }

  /** Facts beside its state, which stays as it is. */
  note(run: string, facts: Partial<Process>): void {
    const stored = this.#runs.get(run);
    if (!stored || hasEnded(stored.process.state)) return;
    this.#keep({ ...stored, process: { ...stored.process, ...facts } });
  }

  /** Looks again at what a pending run waits for: starts it, ends it, or says what is missing. */
  evaluate(run: string): void {
    const stored = this.#runs.get(run);
    if (!this.#begun || stored?.process.state !== 'pending') return;
    const { order, process } = stored;
    const bundles = this.#ports.bundles();
    if (order.digest !== undefined) {
      bundles.need(order.digest, order.bundle ?? order.digest);
      const bundle = bundles.judge(order.digest, order.bundle ?? order.digest);
      if (bundle !== 'loaded') {
        if (bundle.failed) {
          const { reason } = bundle;
          this.apply(run, { event: 'give-up', reason, errorCode: 'bundle-failed' });
        } else this.#wait(stored, bundle.reason);
        return;
      }
    }
    const previous = this.#runs.get(order.previous ?? '');
    if (previous && !hasEnded(previous.process.state)) {
      this.#wait(stored, `waits for the end of ${previous.process.run}`);
      return;
    }
    if (process.reason !== undefined) {
      this.#runs.set(run, { ...stored, process: { ...process, reason: undefined } });
    }
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
    if (!this.#runs.get(run)?.removing) return;
    this.#runs.delete(run);
    this.#told.delete(run);
    this.shimActs.forget(run);
    this.#ports.ledger.removeLater('runs', run);
  }

  row(run: string): Shape<'process'> | undefined {
    const stored = this.#runs.get(run);
    return stored && rowOf(stored);
  }

  #wait(stored: StoredRun, reason: string): void {
    if (stored.process.reason === reason) return;
    this.#keep({ ...stored, process: { ...stored.process, reason } });
  }

  #keep(stored: StoredRun): void {
    const { ledger, reports } = this.#ports;
    const { run, state } = stored.process;
    this.#runs.set(run, stored);
    this.#live.put(stored);
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

  #act(process: Process, order: Item, action: Action): void {
    const asked = actionOf(process, order, action);
    if (asked) this.#ports.act(asked);
  }

  #ended(run: string): void {
    this.#retentionDue = true;
    this.#ports.bundles().sweep();
    // Who replaces this run was waiting for its end.
    for (const pending of [...this.#pending]) {
      if (this.#runs.get(pending)?.order.previous === run) this.evaluate(pending);
    }
  }
}
