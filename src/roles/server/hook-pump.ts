/**
 * One hook's way through the events: each that it takes is told at least once, in order, one at a
 * time. Where it stands is a cursor that outlives the server; what came while the server was away,
 * or while the hook was slow, is read from the history, so that memory has an end.
 *
 * What could not be told is tried again, later and later. An event that could not be told of for
 * `giveUpMs` is given up, which is an event of its own, and while the hook does not recover each
 * further one has a single try.
 */
import { limits } from '../../base/limits.ts';
import { decodeShape } from '../../net/codec.ts';
import type { EventKind } from '../../net/event-kinds.ts';
import type { Shape } from '../../net/layout.ts';
import { type HookRule, hookTakes, nameOfHook } from './hook-rule.ts';
import type { HistoryRow } from './ports.ts';

/** `n`: its number among the events of one record. */
export interface HookEvent {
  readonly event: Shape<'event'>;
  readonly n: number;
}

/** Everything up to this event was told, or given up; `dropped` since it last worked. */
export interface HookCursor {
  readonly seq: number;
  readonly n: number;
  readonly dropped: number;
}

export interface HookPorts {
  monotonicMs(): number;
  later(ms: number, then: () => void): void;
  /** Events of the records after this one, oldest first; none: there are no more. */
  history(afterSeq: number, then: (rows: readonly HistoryRow[]) => void): void;
  /** `done` is called once, later: with what went wrong, if something did. */
  deliver(event: HookEvent, done: (fault: string | undefined) => void): void;
  save(cursor: HookCursor): void;
  tell(kind: EventKind, text: string): void;
  log(text: string, facts: Record<string, unknown>): void;
}

/** Behind every event of its record. */
const ALL = Number.MAX_SAFE_INTEGER;

export interface HookOptions {
  readonly rule: HookRule;
  readonly cursor: HookCursor;
  readonly giveUpMs: number;
}

export class HookPump {
  readonly #rule: HookRule;
  readonly #giveUpMs: number;
  readonly #ports: HookPorts;
  #cursor: HookCursor;
  /** All that it takes up to this record was told, or is in the queue. */
  #readSeq: number;
  #queue: HookEvent[] = [];
  /** There may be more in the history than in the queue. */
  #isBehind = true;
  /** Something came while the history was asked. */
  #isStale = false;
  #isReading = false;
  #isBusy = false;
  #failures = 0;
  #triedSinceMs: number | undefined;

  constructor({ rule, cursor, giveUpMs }: HookOptions, ports: HookPorts) {
    this.#rule = rule;
    this.#giveUpMs = giveUpMs;
    this.#ports = ports;
    this.#cursor = cursor;
    this.#readSeq = cursor.n === ALL ? cursor.seq : Math.max(0, cursor.seq - 1);
  }

  /** Begins with what the history has. */
  start(): void {
    this.#step();
  }

  /** Where it stands; with nothing to do, behind all that it did not take. */
  get cursor(): HookCursor {
    const isIdle = !this.#isBusy && !this.#isBehind && this.#queue.length === 0;
    if (!isIdle || this.#readSeq <= this.#cursor.seq) return this.#cursor;
    return { ...this.#cursor, seq: this.#readSeq, n: ALL };
  }

  /** The events of one record, as it is applied. */
  offer(events: readonly Shape<'event'>[], seq: number): void {
    if (this.#isBehind) {
      this.#isStale = true;
      return;
    }
    if (this.#queue.length + events.length > limits.hookQueue) {
      this.#isBehind = true;
      return;
    }
    this.#readSeq = seq;
    events.forEach((event, at) => this.#take({ event, n: at + 1 }));
    this.#step();
  }

  #take(entry: HookEvent): void {
    if (hookTakes(this.#rule, entry.event)) this.#queue.push(entry);
  }

  #step(): void {
    const [next] = this.#queue;
    if (this.#isBusy) return;
    if (!next) {
      if (this.#isBehind) this.#read();
      return;
    }
    this.#isBusy = true;
    this.#triedSinceMs ??= this.#ports.monotonicMs();
    this.#ports.deliver(next, (fault) => {
      if (fault === undefined) this.#told(next);
      else this.#failed(next, fault);
    });
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#isStale = false;
    this.#ports.history(this.#readSeq, (rows) => {
      this.#isReading = false;
      for (const { seq, n, body } of rows) {
        this.#readSeq = Math.max(this.#readSeq, seq);
        const { seq: toldSeq, n: toldN } = this.#cursor;
        const isTold = seq < toldSeq || (seq === toldSeq && n <= toldN);
        if (!isTold) this.#take({ event: decodeShape('event', body), n });
      }
      if (rows.length === 0 && !this.#isStale) this.#isBehind = false;
      this.#step();
    });
  }

  #told(entry: HookEvent): void {
    const { dropped } = this.#cursor;
    this.#failures = 0;
    if (dropped > 0) {
      const text = `hook ${nameOfHook(this.#rule)} works again; events it was not told of: ${dropped}`;
      this.#ports.tell('hook-recovered', text);
    }
    this.#pass(entry, 0);
    this.#step();
  }

  #failed(entry: HookEvent, fault: string): void {
    const name = nameOfHook(this.#rule);
    const { dropped } = this.#cursor;
    const sinceMs = this.#ports.monotonicMs() - (this.#triedSinceMs ?? 0);
    const delayMs = Math.min(
      limits.hookRetryMaxMs,
      limits.hookRetryMinMs * 2 ** Math.min(this.#failures, 16),
    );
    this.#failures += 1;
    const { seq } = entry.event;
    this.#ports.log('a hook failed', { hook: name, event: seq, fault, againInMs: delayMs });
    if (dropped > 0 || sinceMs + delayMs > this.#giveUpMs) {
      if (dropped === 0) {
        const text = `hook ${name} was given up on event ${seq}: ${fault}`;
        this.#ports.tell('hook-failed', text);
      }
      this.#pass(entry, dropped + 1);
      this.#isBusy = true;
    }
    this.#ports.later(delayMs, () => {
      this.#isBusy = false;
      this.#step();
    });
  }

  #pass({ event: { seq }, n }: HookEvent, dropped: number): void {
    this.#queue.shift();
    this.#triedSinceMs = undefined;
    this.#isBusy = false;
    this.#cursor = { seq, n, dropped };
    this.#ports.save(this.cursor);
  }
}

/** A hook that is new begins with what happens from now on. */
export const cursorAt = (seq: number): HookCursor => ({ seq, n: ALL, dropped: 0 });

/** What is beyond the end of the journal, as where a backup was put in place, is not waited for. */
export function knownCursor(value: unknown, endSeq: number): HookCursor | undefined {
  const { seq, n, dropped } = (value ?? {}) as Partial<Record<keyof HookCursor, unknown>>;
  if (![seq, n, dropped].every((one) => Number.isSafeInteger(one) && Number(one) >= 0)) {
    return undefined;
  }
  const cursor = { seq: Number(seq), n: Number(n), dropped: Number(dropped) };
  return cursor.seq > endSeq ? { ...cursorAt(endSeq), dropped: cursor.dropped } : cursor;
}
