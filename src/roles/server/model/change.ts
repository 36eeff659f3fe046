/**
 * What one command changed, collected while it is applied: the source of effects (which nodes
 * need their assignment, which waiters look again, which sessions end) and of history rows.
 */
import type { ErrorCode } from '../../../base/errors.ts';
import type { EventKind } from '../../../net/event-kinds.ts';
import type { Shape } from '../../../net/layout.ts';
import type { Command } from './command.ts';
import type { Loose } from './eligible.ts';
import type { Answer, Reply, State } from './state.ts';

export interface EventDraft {
  readonly kind: EventKind;
  readonly text: string;
  readonly node?: string | undefined;
  readonly task?: string | undefined;
  readonly run?: string | undefined;
  readonly bundle?: string | undefined;
  readonly operation?: string | undefined;
  /** False: a run ended otherwise than it was asked to. */
  readonly ok?: false | undefined;
}

/** A finished thing that leaves the living set for the history tables. */
export interface HistoryDraft {
  readonly kind: 'run' | 'operation' | 'fire';
  readonly process?: Shape<'process'> | undefined;
  readonly operation?: Shape<'operation'> | undefined;
  /** A newer report of one firing takes the place of an older one. */
  readonly fire?: (Shape<'fire'> & { readonly uid: string }) | undefined;
}

export class Change {
  readonly state: State;
  readonly command: Command;
  readonly nodes = new Set<string>();
  readonly runs = new Set<string>();
  readonly operations = new Set<string>();
  readonly events: EventDraft[] = [];
  readonly history: HistoryDraft[] = [];
  /** Runs whose result files came. */
  readonly results = new Set<string>();
  /** Content may leave the blob store. */
  hasFreed = false;
  /** Public keys whose sessions end now. */
  readonly closed: string[] = [];
  /** This command's entry in the audit. */
  audit: Shape<'audit'> | undefined;
  /** Tasks whose places are looked at again once the command is carried out (instances.ts). */
  readonly placing = new Set<string>();
  /** What is asked of nodes beside what is placed there, as far as a choice needed it. */
  loose: Loose | undefined;
  /** The scope of who commands: what lasts is bounded by it. */
  within: string | undefined;
  #made = 0;

  constructor(state: State, command: Command) {
    this.state = state;
    this.command = command;
  }

  event(draft: EventDraft): void {
    this.events.push(draft);
  }

  /** A number that differs for each thing one command makes. */
  next(): number {
    this.#made += 1;
    return this.#made;
  }
}

/** A refusal of the whole command: its reply, with nothing changed. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly answers: readonly Answer[] | undefined;

  constructor(code: ErrorCode, text: string, hint?: string, answers?: readonly Answer[]) {
    super(text);
    this.code = code;
    this.hint = hint;
    this.answers = answers;
  }

  get reply(): Reply {
    const { code, message, hint, answers } = this;
    return { ok: false, code, text: message, hint, answers };
  }
}
