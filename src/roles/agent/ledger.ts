/**
 * What is to be durable, and what waits for it. At most one commit is under way: whatever comes
 * meanwhile goes into the next one, so that a slow disk makes larger commits, not a longer queue.
 *
 * It knows neither tables' meaning nor files. A commit that failed is taken back among what is to
 * be written, under whatever came later, and is tried again; who waited for it is told.
 */
import type { AgentAction, TableName, Write } from './events.ts';

/** What may travel with a later commit does so within this time. */
const LAZY_MS = 1_000;
/** A short command's end comes within this; its start is then stored and told with it. */
const SOON_MS = 50;

interface Waiting {
  readonly done: () => void;
  readonly failed?: ((reason: string) => void) | undefined;
}

interface Commit {
  readonly commit: number;
  readonly writes: ReadonlyMap<string, Write>;
  readonly waiting: readonly Waiting[];
}

export class Ledger {
  #dirty = new Map<string, Write>();
  #waiting: Waiting[] = [];
  #underWay: Commit | undefined;
  #last = 0;
  /** Something is worth a commit of its own; the rest may travel with the next. */
  #urgent = false;
  /** It was put without hurry, and has its commit in a moment at the latest. */
  #soon = false;
  #hurries = true;
  #stalled = false;

  /** What `put` and `after` are asked meanwhile may wait a moment for what comes next. */
  unhurried(act: () => void): void {
    this.#hurries = false;
    try {
      act();
    } finally {
      this.#hurries = true;
    }
  }

  put(table: TableName, key: string, value: unknown): void {
    this.#dirty.set(`${table} ${key}`, { table, key, value });
    this.#ask();
  }

  remove(table: TableName, key: string): void {
    this.put(table, key, undefined);
  }

  /** Not worth a commit: losing it costs a repetition that is recognised. */
  removeLater(table: TableName, key: string): void {
    this.#dirty.set(`${table} ${key}`, { table, key, value: undefined });
  }

  putLater(table: TableName, key: string, value: unknown): void {
    this.#dirty.set(`${table} ${key}`, { table, key, value });
  }

  /** Called once everything put so far is durable. */
  after(done: () => void, failed?: (reason: string) => void): void {
    this.#waiting.push({ done, failed });
    this.#ask();
  }

  #ask(): void {
    if (this.#hurries) this.#urgent = true;
    else this.#soon = true;
  }

  /** How long what could be committed now may wait for a later commit; undefined: nothing waits. */
  get patienceMs(): number | undefined {
    if (this.#dirty.size === 0 || this.#underWay !== undefined) return undefined;
    return this.#soon && !this.#stalled ? SOON_MS : LAZY_MS;
  }

  get isStalled(): boolean {
    return this.#stalled;
  }

  /** The next commit, where one is due; `all`: also what could wait, and what failed before. */
  flush(all = false): AgentAction | undefined {
    if (this.#underWay !== undefined) return undefined;
    if (all) this.#stalled = false;
    const due = this.#urgent && !this.#stalled;
    if (!(due || (all && this.#dirty.size > 0))) return undefined;
    this.#last += 1;
    const commit = this.#last;
    this.#underWay = { commit, writes: this.#dirty, waiting: this.#waiting };
    this.#dirty = new Map();
    this.#waiting = [];
    this.#urgent = false;
    this.#soon = false;
    const writes = [...this.#underWay.writes.values()];
    return { type: 'commit', commit, writes };
  }

  committed(commit: number): void {
    const done = this.#underWay;
    if (done?.commit !== commit) return;
    this.#underWay = undefined;
    this.#stalled = false;
    for (const waiting of done.waiting) waiting.done();
  }

  failed(commit: number, reason: string): void {
    const lost = this.#underWay;
    if (lost?.commit !== commit) return;
    this.#underWay = undefined;
    this.#stalled = true;
    const kept: Waiting[] = [];
    for (const waiting of lost.waiting) {
      if (waiting.failed) waiting.failed(reason);
      else kept.push(waiting);
    }
    this.#dirty = new Map([...lost.writes, ...this.#dirty]);
    this.#waiting = [...kept, ...this.#waiting];
    this.#urgent = true;
  }
}
