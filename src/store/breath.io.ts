/**
 * Long work on one thread, in strides: after a few milliseconds the event loop gets its turn, so
 * that Ctrl-C, progress and heartbeats stay alive. Taking a breath too early costs next to nothing.
 */
import { setImmediate } from 'node:timers/promises';

const STRIDE_MS = 4;

export class Breath {
  readonly #signal: AbortSignal | undefined;
  #lastMs = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Rejects with the signal's reason once it is aborted. */
  async take(): Promise<void> {
    this.#signal?.throwIfAborted();
    if (performance.now() - this.#lastMs < STRIDE_MS) return;
    await setImmediate();
    this.#lastMs = performance.now();
    this.#signal?.throwIfAborted();
  }
}
