/**
 * Appends waiting for the next commit. Everything that waits goes into one batch, up to the
 * batch's limits and never cutting an append apart: that is all there is to group commit.
 */

import { limits } from '../base/limits.ts';
import { type AppendOptions, JournalError } from './journal.ts';
import { checkRecords } from './record.ts';

export interface Pending {
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly urgent: boolean;
  readonly resolve: (numbers: { first: number; last: number }) => void;
  readonly reject: (error: Error) => void;
}

export class AppendQueue {
  #waiting: Pending[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  push(
    records: readonly Uint8Array[],
    { signal, urgent = false }: AppendOptions,
  ): Promise<{ first: number; last: number }> {
    const bytes = checkRecords(records);
    if (signal?.aborted) throw withdrawn(signal);
    const { promise, resolve, reject } = Promise.withResolvers<{ first: number; last: number }>();
    const pending: Pending = { records, bytes, urgent, resolve, reject };
    this.#waiting.push(pending);
    if (signal) {
      const withdraw = (): void => {
        const index = this.#waiting.indexOf(pending);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        reject(withdrawn(signal));
      };
      signal.addEventListener('abort', withdraw, { once: true });
      const forget = (): void => signal.removeEventListener('abort', withdraw);
      promise.then(forget, forget);
    }
    return promise;
  }

  /** The next batch, in order. */
  take(): Pending[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const pending of this.#waiting) {
      records += pending.records.length;
      bytes += pending.bytes;
      if (records > limits.journalBatchRecords || bytes > limits.journalBatchBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  reject(error: Error, which: (pending: Pending) => boolean = () => true): void {
    const refused = this.#waiting.filter(which);
    this.#waiting = this.#waiting.filter((pending) => !which(pending));
    for (const pending of refused) pending.reject(error);
  }
}

/** Answers appends that became durable behind record `before`, once the follower has them. */
export function answer(
  batch: readonly Pending[],
  before: number,
  follower: { after(seq: number, release: () => void): void } | undefined,
): void {
  let last = before;
  for (const { records, resolve } of batch) {
    const numbers = { first: last + 1, last: last + records.length };
    last = numbers.last;
    if (follower) follower.after(last, () => resolve(numbers));
    else resolve(numbers);
  }
}

function withdrawn(signal: AbortSignal): JournalError {
  return new JournalError('Aborted', 'the append was withdrawn', { cause: signal.reason });
}
