/**
 * What the server shall know: a queue of reports, durable before they are sent, numbered without
 * a gap, kept until the server says that they are journaled. What was sent and not acknowledged
 * is sent again with its number, by which the server recognises it.
 *
 * Rows of a process are level-triggered: one that has not been sent yet takes the newest row in,
 * under the number it had. So a node that was away for a day tells each run's state once.
 */
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/bodies.ts';
import type { AgentAction, Report } from './events.ts';
import type { Ledger } from './ledger.ts';

const RETRY_MS = 2_000;

type Draft = Omit<Report, 'seq' | 'at'>;

interface Entry {
  report: Report;
  /** How often it was written, and which of these is known to be durable. */
  version: number;
  durable: number;
}

export class Reports {
  readonly #ledger: Ledger;
  readonly #entries = new Map<number, Entry>();
  readonly #unsentRow = new Map<string, number>();
  #last = 0;
  /** The server may have it: what was ever sent keeps its content. */
  #everSent = 0;
  #connected = false;
  #underWay = false;
  #retryMs: number | undefined;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The highest number ever used. */
  get last(): number {
    return this.#last;
  }

  get waiting(): number {
    return this.#entries.size;
  }

  load(stored: Iterable<Report>, last: number): void {
    for (const report of [...stored].sort((a, b) => a.seq - b.seq)) {
      this.#entries.set(report.seq, { report, version: 0, durable: 0 });
      this.#last = Math.max(this.#last, report.seq);
    }
    this.#last = Math.max(this.#last, last);
    this.#everSent = this.#last;
  }

  process(row: Shape<'process'>, at: number): void {
    const open = this.#unsentRow.get(row.run);
    const entry =
      open === undefined || open <= this.#everSent ? undefined : this.#entries.get(open);
    if (entry) this.#write(entry, { ...entry.report, at, process: row });
    else {
      const seq = this.#add({ entry: 'process', process: row }, at);
      this.#unsentRow.set(row.run, seq);
    }
  }

  answer(order: string, answer: Shape<'answer'>, at: number): void {
    this.#add({ entry: 'order', order, answer }, at);
  }

  /** What its row does not show of a run; without one, of the node. */
  event(
    about: {
      eventKind: string;
      text: string;
      run?: string | undefined;
      task?: string | undefined;
    },
    at: number,
  ): void {
    this.#add({ entry: 'event', ...about }, at);
  }

  /** What the server has of a run's files, or will not have. */
  kept(kept: Shape<'kept'>, at: number): void {
    this.#add({ entry: 'kept', kept }, at);
  }

  fire(fire: Shape<'fire'>, at: number): void {
    this.#add({ entry: 'fire', fire }, at);
  }

  bundle(
    state: { bundle: string; digest: string; bundleState: string; reason?: string | undefined },
    at: number,
  ): void {
    this.#add({ entry: 'bundle', ...state }, at);
  }

  /**
   * A session begins. `after`: the highest number the server has of us. Where that is above all
   * we ever used, this data directory went back in time: what waits gets new numbers above it.
   */
  connected(after: number): void {
    this.#connected = true;
    this.#underWay = false;
    if (after <= this.#last) {
      this.acknowledged(after);
      return;
    }
    const again = [...this.#entries.values()].map((entry) => entry.report);
    for (const report of again) this.#drop(report.seq);
    this.#last = after;
    this.#everSent = after;
    this.#ledger.put('meta', 'reportSeq', after);
    for (const { seq: _, at, ...draft } of again) this.#add(draft, at);
  }

  disconnected(): void {
    this.#connected = false;
    this.#underWay = false;
    this.#retryMs = undefined;
  }

  /** The server could not take them now (its disk is full, it is read-only): again in a while. */
  refused(nowMs: number): void {
    this.#underWay = false;
    this.#retryMs = nowMs + RETRY_MS;
  }

  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  acknowledged(seq: number): void {
    this.#underWay = false;
    for (const at of [...this.#entries.keys()]) {
      if (at <= seq) this.#drop(at);
    }
    this.#ledger.putLater('meta', 'reportSeq', this.#last);
  }

  /** The message that is due: what is durable, in order, one message at a time. */
  send(nowMs: number): AgentAction | undefined {
    if (!this.#connected || this.#underWay) return undefined;
    if (this.#retryMs !== undefined && this.#retryMs > nowMs) return undefined;
    this.#retryMs = undefined;
    const reports: Report[] = [];
    for (const [seq, entry] of this.#entries) {
      if (entry.durable < entry.version || reports.length >= limits.reportsPerMessage) break;
      reports.push(entry.report);
      this.#everSent = Math.max(this.#everSent, seq);
    }
    if (reports.length === 0) return undefined;
    this.#underWay = true;
    return { type: 'report', reports };
  }

  #add(draft: Draft, at: number): number {
    this.#last += 1;
    const seq = this.#last;
    const entry: Entry = { report: { ...draft, seq, at }, version: 0, durable: 0 };
    this.#entries.set(seq, entry);
    this.#write(entry, entry.report);
    return seq;
  }

  #write(entry: Entry, report: Report): void {
    entry.report = report;
    entry.version += 1;
    const { version } = entry;
    this.#ledger.put('reports', String(report.seq), report);
    this.#ledger.after(() => {
      entry.durable = version;
    });
  }

  #drop(seq: number): void {
    const row = this.#entries.get(seq)?.report.process;
    if (row && this.#unsentRow.get(row.run) === seq) this.#unsentRow.delete(row.run);
    this.#entries.delete(seq);
    this.#ledger.removeLater('reports', String(seq));
  }
}
