/**
 * What a command of the console knows of the server: it asks, and is answered. Commands are
 * written against `Ask`, so that tests script the other side; the real one (client.io.ts) opens
 * a session when the first question is asked, keeps the key of a command over repeats, and grants
 * credit as the console takes the output.
 */
import { errorCodeOf, errorCodes, LotcError } from '../../base/errors.ts';
import type { Ack, Failure, MessageKind, Ok, Req, Shape } from '../../net/layout.ts';

/** A request as a command writes it: key and credit are the client's business. */
export type Draft<K extends MessageKind> = Omit<Req<K>, 'key' | 'credit'>;

export interface Listening<K extends MessageKind> {
  /** Received and durable. */
  onAck?(body: Ack<K>): void;
  /** Each part of a long answer, in order; the next waits until this one is taken. */
  onMore?(body: Ok<K>): void | Promise<void>;
}

export interface Asked<K extends MessageKind> {
  /** The last answer; rejects with `Refused` where the server says ERR. */
  readonly done: Promise<Ok<K>>;
  /** Withdraws the question: for streams that have no end of their own. */
  drop(): void;
}

export interface Upload {
  readonly digest: string;
  readonly sizeBytes: number;
  /** What it will be and on which nodes: they may fetch it while it arrives. */
  readonly bundle?: string | undefined;
  readonly on?: string | undefined;
  /** So many bytes from an offset on, fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface Download {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface Ask {
  ask<K extends MessageKind>(kind: K, body: Draft<K>, listening?: Listening<K>): Asked<K>;
  /** Sends content the server does not have yet; done when the server has it durably. */
  upload(upload: Upload, onProgress?: (doneBytes: number) => void): Promise<void>;
  /** Content of the server's, in order; goes on where it was when the connection breaks. */
  download(wanted: Download, take: (data: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

export interface ConnectSettings {
  /** `--server`; empty: those of the identity file. */
  readonly servers: readonly string[];
  readonly identity: string | undefined;
  /** Bounds connecting, too. */
  readonly timeoutMs: number | undefined;
  readonly keylog: string | undefined;
  readonly plaintext: boolean;
}

export type Answer = Shape<'answer'>;

/** The server said no: to all of it, or (`answers`) target by target. */
export class Refused extends LotcError {
  readonly answers: readonly Answer[];
  readonly operation: string | undefined;

  constructor(failure: Failure) {
    const { answers = [], errorCode, hint, node, operation, text } = failure;
    super(errorCodeOf(errorCode), text, { hint, node });
    this.name = 'Refused';
    this.answers = answers;
    this.operation = operation;
  }
}

/** For tests and for answers made here: a failure body out of a code's name. */
export function failure(
  code: keyof typeof errorCodes,
  text: string,
  rest: Partial<Failure> = {},
): Failure {
  return { errorCode: errorCodes[code].number, text, ...rest };
}
