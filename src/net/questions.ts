/**
 * Our own requests: their ids, and our patience with the peer. A request that gets no sign at all
 * is repeated with the same id and the AGAIN flag, and in the end given up with a named error.
 * The first sign (ACK, part of an answer) ends that: from then on the peer works on it, and only
 * the session's pings judge whether it lives. PROTOCOL, "Repeats".
 */
import { limits } from '../base/limits.ts';
import { FLAG_AGAIN, reseal } from './frame.ts';
import type { MessageKind } from './layout.ts';

/** Answered when something happens in the world, not when the peer has read them. */
const waitForTheWorld: ReadonlySet<MessageKind> = new Set<MessageKind>([
  ...([
    'retWait',
    'retWatch',
    'retLog',
    'retExec',
    'retInput',
    'pingNode',
    'synNode',
    'synNow',
  ] as const),
  ...(['filePut', 'fileGet', 'hostBye'] as const),
]);

/** Some room is left for pings. */
const IDS_END = 0xfff0_0000;

interface Question {
  readonly kind: MessageKind;
  readonly sentMs: number;
  /** Kept until the first sign, for the repeat. */
  frame: Uint8Array | undefined;
  repeatMs: number;
}

export interface Impatience {
  /** Frames to send again. */
  readonly repeats: readonly Uint8Array[];
  /** Requests that are given up. */
  readonly givenUp: readonly { readonly id: number; readonly kind: MessageKind }[];
}

export class Questions {
  readonly #open = new Map<number, Question>();
  readonly #first: number;
  readonly #end: number;
  #next: number;
  #pings = 0;

  /** Odd ids for the side that opened the connection, even ones for the other. */
  constructor(opener: boolean, idsEnd = IDS_END) {
    this.#first = opener ? 1 : 2;
    this.#next = this.#first;
    this.#end = idsEnd;
  }

  /** Open requests; pings do not count. */
  get inFlight(): number {
    return this.#open.size - this.#pings;
  }

  isOurs(id: number): boolean {
    return id % 2 === this.#first % 2;
  }

  /** Whether we ever asked under this id. */
  hasAsked(id: number): boolean {
    return this.isOurs(id) && id < this.#next;
  }

  nextId(): number {
    const id = this.#next;
    this.#next += 2;
    return id;
  }

  /** Ids never wrap: the session ends before that, and the next one begins at 1. */
  get exhausted(): boolean {
    return this.#next >= this.#end;
  }

  ask(id: number, kind: MessageKind, frame: Uint8Array, nowMs: number): void {
    const kept = waitForTheWorld.has(kind) || kind === 'ping' ? undefined : frame;
    const repeatMs = nowMs + limits.answerRepeatMs;
    this.#open.set(id, { kind, frame: kept, sentMs: nowMs, repeatMs });
    if (kind === 'ping') this.#pings += 1;
  }

  find(id: number): { readonly kind: MessageKind; readonly sentMs: number } | undefined {
    return this.#open.get(id);
  }

  sign(id: number): void {
    const question = this.#open.get(id);
    if (question) question.frame = undefined;
  }

  close(id: number): boolean {
    const question = this.#open.get(id);
    if (!question) return false;
    if (question.kind === 'ping') this.#pings -= 1;
    return this.#open.delete(id);
  }

  tick(nowMs: number): Impatience {
    const repeats: Uint8Array[] = [];
    const givenUp: { id: number; kind: MessageKind }[] = [];
    for (const [id, question] of this.#open) {
      const { frame, kind } = question;
      if (!frame || nowMs < question.repeatMs) continue;
      if (nowMs - question.sentMs >= limits.answerGiveUpMs) {
        this.close(id);
        givenUp.push({ id, kind });
        continue;
      }
      question.repeatMs = nowMs + limits.answerRepeatMs;
      question.frame = reseal(frame, FLAG_AGAIN);
      repeats.push(question.frame);
    }
    return { repeats, givenUp };
  }
}
