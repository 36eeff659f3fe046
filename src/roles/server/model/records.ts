/** Parts of state.ts: what is held back (held.ts) or owed (owed.ts), results, answers, audit. */
import type { ErrorCode } from '../../../base/errors.ts';
import type { Shape } from '../../../net/layout.ts';

/** A condition over runs of other nodes. */
export interface Away {
  readonly task: string;
  readonly on: string;
  /** Nodes on each of which it must come true: where the task was when the start was accepted. */
  readonly uids: readonly string[];
  /** What lived there then; other runs count that begin later. */
  readonly runs: readonly string[];
}

/** An order that is given once all its conditions have come true. */
export interface Held {
  readonly away: readonly Away[];
  readonly order: string;
  readonly draft: Omit<Shape<'item'>, 'generation' | 'item' | 'entry' | 'order' | 'operation'> & {
    readonly verb: string;
  };
}

/** Result files of an ended run, or why there are none; goes at `expiresAt` (true time). */
export interface ResultRecord {
  readonly kept: Shape<'kept'>;
  readonly uid: string;
  readonly sizeBytes: number;
  readonly expiresAt: number;
}

/** What a start adds to what the task says. */
export interface Given {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly arguments?: readonly string[] | undefined;
}

/**
 * A start that is wanted and has no node: of a task with `instances` on the next that is chosen,
 * else on `uid`, once that is no longer being drained.
 */
export interface Owed extends Given {
  readonly uid?: string | undefined;
  /** The operation it belongs to, and what that awaits of it. */
  readonly operation?: string | undefined;
  readonly token?: string | undefined;
  /** The node it was on, and why it is there no longer: the end of a sentence. */
  readonly left?: { readonly node: string; readonly why: string } | undefined;
  readonly who: string;
  readonly at: number;
}

/** An instance that leaves its node: none takes its place before it has ended there. */
export interface Leaving {
  readonly uid: string;
  /** The end of a sentence: it leaves because … */
  readonly why: string;
  /** It is wanted elsewhere. */
  readonly again?: Owed | undefined;
}

export interface Answer {
  readonly node?: string | undefined;
  readonly task?: string | undefined;
  readonly run?: string | undefined;
  readonly ok: boolean;
  readonly code?: ErrorCode | undefined;
  readonly text?: string | undefined;
  readonly hint?: string | undefined;
  readonly unchanged?: boolean | undefined;
}

/** The first reply to a command id, given again to whoever repeats it. */
export interface ReplyRecord {
  readonly at: number;
  readonly reply: Reply;
}

export type Reply =
  | { readonly ok: true; readonly body: Readonly<Record<string, unknown>> }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly text: string;
      readonly hint?: string | undefined;
      readonly answers?: readonly Answer[] | undefined;
    };

/** The end of the audit's chain, and the entry from which on it is kept. */
export interface AuditState {
  readonly number: number;
  readonly hash: string;
  readonly anchorNumber: number;
  readonly anchorHash: string;
}

export type OperationState = 'accepted' | 'done' | 'failed' | 'cancelled' | 'expired';

export interface OperationRecord {
  readonly operation: string;
  readonly verb: string;
  readonly targets: readonly string[];
  readonly at: number;
  readonly who: string;
  readonly origin: string;
  readonly state: OperationState;
  readonly answers: readonly Answer[];
  /** Orders (or `bundle uid` pairs of a load) that have not been answered yet. */
  readonly waiting: ReadonlySet<string>;
  readonly runs: readonly string[];
}

/** What a node shall have and do: level-triggered, by generation. */
export interface Assignment {
  generation: number;
  readonly items: Map<string, Shape<'item'>>;
  /** Items that went away, with the generation of their going. */
  readonly removed: Map<string, number>;
  /** Below this generation removals have been forgotten: such a node gets a full list. */
  floor: number;
}

/** Of a run under a lease: its number, and how long a lease lasts. */
export interface Leased {
  readonly lease?: { readonly term: number; readonly leaseMs: number } | undefined;
  /** Its lease ended before anybody saw how it did: only its end is still listened to. */
  readonly givenUp?: true | undefined;
}

/** How wrong a node's clock may be, as it said when that was last of interest; absent: it did not. */
export interface NodeClock {
  readonly clock?: { readonly errorUs?: number | undefined } | undefined;
}

export interface NodeMore extends NodeClock {
  /** All its schedules rest, also those to come: a maintenance window. */
  readonly paused?: true | undefined;
}
