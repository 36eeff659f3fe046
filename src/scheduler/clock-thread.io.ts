/** The thread that asks time servers, as the role sees it: started, asked, logged, ended. */
import type { Worker } from 'node:worker_threads';
import type { Log } from '../base/log.io.ts';
import { startThread } from '../base/thread.io.ts';
import type { ClockOrders, FromClockThread, ToClockThread } from './clock/clock.thread.io.ts';
import { SharedReading } from './clock/reading.ts';
import type { SourceRow } from './clock/rows.ts';

export class ClockThread {
  readonly reading = new SharedReading();
  onMoved: () => void = () => undefined;
  readonly #worker: Worker;
  readonly #log: Log | undefined;
  readonly #asked = new Map<number, (rows: readonly SourceRow[]) => void>();
  #last = 0;
  #over = false;

  constructor(orders: Omit<ClockOrders, 'memory'>, log: Log | undefined) {
    this.#log = log;
    this.#worker = startThread('clock');
    this.#worker.unref();
    this.#worker.on('message', (said: FromClockThread) => this.#heard(said));
    this.#worker.on('error', (error: Error) => this.#ended(error.message));
    this.#worker.on('exit', () => this.#ended(undefined));
    this.#say({ is: 'begin', orders: { ...orders, memory: this.reading.memory } });
  }

  /** The servers as they stand; none where the thread is no more. */
  async rows(now: boolean): Promise<readonly SourceRow[]> {
    if (this.#over) return [];
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve } = Promise.withResolvers<readonly SourceRow[]>();
    this.#asked.set(id, resolve);
    this.#say({ is: 'rows', id, now });
    return promise;
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#worker.terminate();
  }

  #say(message: ToClockThread): void {
    this.#worker.postMessage(message, []);
  }

  #heard(said: FromClockThread): void {
    if (said.is === 'rows') {
      this.#asked.get(said.id)?.(said.rows);
      this.#asked.delete(said.id);
    } else if (said.is === 'status') {
      const level = said.status === 'synchronised' ? 'info' : 'warn';
      this.#log?.(level, 'the clock', { status: said.status });
    } else {
      this.onMoved();
    }
  }

  /** Readings go on from what is known, and grow uncertain. */
  #ended(reason: string | undefined): void {
    if (!this.#over) this.#log?.('error', 'the clock’s thread has ended', { reason });
    this.#over = true;
    for (const resolve of this.#asked.values()) resolve([]);
    this.#asked.clear();
  }
}
