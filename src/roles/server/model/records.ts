/** Records of starts that are held back (held.ts), of results, of the audit: a part of state.ts. */
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

/** The end of the audit's chain, and the entry from which on it is kept. */
export interface AuditState {
  readonly number: number;
  readonly hash: string;
  readonly anchorNumber: number;
  readonly anchorHash: string;
}
