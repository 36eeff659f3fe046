/** Says how far a long replay of the journal is, once a second. */
import type { Log } from '../../base/log.io.ts';

export class Replay {
  readonly done: Promise<void>;
  readonly #end: number;
  readonly #log: Log;
  readonly #begunMs = performance.now();
  #saidMs = performance.now();
  #resolve: () => void = () => undefined;

  constructor(end: number, from: number, log: Log) {
    this.#end = end;
    this.#log = log;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    if (from >= end) this.#resolve();
  }

  passed(seq: number): void {
    const nowMs = performance.now();
    if (seq >= this.#end) this.#resolve();
    else if (nowMs - this.#saidMs > 1_000) {
      this.#saidMs = nowMs;
      const elapsedMs = Math.round(nowMs - this.#begunMs);
      this.#log('info', 'replaying the journal', { record: seq, of: this.#end, elapsedMs });
    }
  }
}
