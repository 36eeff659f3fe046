/**
 * The requests of the peer: which are being worked on, and how the last ones were answered, so
 * that a request that comes twice has one effect and one answer. PROTOCOL, "Repeats".
 *
 * Ids of new requests ascend. What is not above the last one is a repeat: of a request that is
 * being worked on (nothing to do), of one whose answer is still kept (say it again), or of an
 * older one (its answer is on the way: TCP loses nothing).
 */
import { limits } from '../base/limits.ts';
import type { MessageKind } from './layout.ts';

/** Answers are kept no longer than a peer asks again, and no more bytes than this. */
const KEPT_BYTES = 256 * 1024;

interface Working {
  readonly kind: MessageKind;
  /** Part of the answer went as bulk: the rest must not overtake it. */
  bulk: boolean;
}

interface Kept {
  readonly frame: Uint8Array;
  readonly atMs: number;
}

export type Arrival =
  | { readonly is: 'new' | 'known' | 'too-many' }
  | { readonly is: 'answered'; readonly frame: Uint8Array };

export class Answers {
  readonly #working = new Map<number, Working>();
  readonly #kept = new Map<number, Kept>();
  #keptBytes = 0;
  #last = 0;
  /** Pings are answered at once and never count. */
  get working(): number {
    return this.#working.size;
  }

  arrive(id: number, kind: MessageKind): Arrival {
    if (id <= this.#last) {
      const kept = this.#kept.get(id);
      return kept ? { is: 'answered', frame: kept.frame } : { is: 'known' };
    }
    this.#last = id;
    const is = this.#working.size >= limits.requestsInFlight ? 'too-many' : 'new';
    this.#working.set(id, { kind, bulk: false });
    return { is };
  }

  find(id: number): Working | undefined {
    return this.#working.get(id);
  }

  /** Whether a request of this id has ever come. */
  hasSeen(id: number): boolean {
    return id <= this.#last;
  }

  /** An id that was refused unread: the next new one is above it all the same. */
  pass(id: number): void {
    if (id > this.#last) this.#last = id;
  }

  finish(id: number, frame: Uint8Array, nowMs: number): void {
    if (!this.#working.delete(id)) return;
    this.#kept.set(id, { frame, atMs: nowMs });
    this.#keptBytes += frame.length;
    this.#trim();
  }

  /** Withdrawn by the peer: whatever is answered from now on is for nobody. */
  drop(id: number): boolean {
    return this.#working.delete(id);
  }

  forgetBefore(atMs: number): void {
    for (const [id, kept] of this.#kept) {
      if (kept.atMs >= atMs) break;
      this.#forget(id, kept);
    }
  }

  #trim(): void {
    for (const [id, kept] of this.#kept) {
      if (this.#kept.size <= limits.answersKept && this.#keptBytes <= KEPT_BYTES) break;
      this.#forget(id, kept);
    }
  }

  #forget(id: number, kept: Kept): void {
    this.#kept.delete(id);
    this.#keptBytes -= kept.frame.length;
  }
}
