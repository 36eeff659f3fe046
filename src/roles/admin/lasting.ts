/**
 * Questions that outlive a connection. The first one opens it. Where it is lost before an answer
 * has begun, the question is asked again on a new one: a command with the same key, so that the
 * server carries it out once and says again what it said. An answer that has begun is not
 * repeated: its reader would see the beginning twice. No sockets here: `connect` gives them.
 */
import { blockBytes } from '../../base/blocks.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { AskHandlers } from '../../net/exchange.ts';
import {
  type Ack,
  type AnyBody,
  type Failure,
  layouts,
  type MessageKind,
  type Ok,
  type Req,
} from '../../net/layout.ts';
import {
  type Ask,
  type Asked,
  type Download,
  type Draft,
  type Listening,
  Refused,
  type Upload,
} from './client.ts';

/** What net's `Call` is to this file. */
export interface Call {
  drop(): void;
  credit(credit: number): void;
  receive(options: { offset: number; sizeBytes: number }): {
    read(): Promise<Uint8Array | undefined>;
    drained(count: number): void;
  };
  send(options: { offset: number; sizeBytes: number; credit: number }): {
    write(data: Uint8Array): Promise<void>;
    end(): Promise<void>;
  };
}

/** What net's `Link` is to this file. */
export interface Connection {
  /** Why it ended; undefined while it lives. */
  readonly end: { readonly text: string } | undefined;
  ask<K extends MessageKind>(kind: K, body: Req<K>, handlers: AskHandlers): Call;
  close(text?: string): Promise<unknown>;
}

export interface LastingOptions {
  /** Tries every address; `again` for a connection that was lost: tries for a while. */
  connect(again: boolean): Promise<Connection>;
  key(): Uint8Array;
}

/** An exec is stopped when its console goes away: there is nothing to ask again about. */
const onceOnly: ReadonlySet<MessageKind> = new Set<MessageKind>(['retExec', 'retInput']);
const READ_BYTES = blockBytes;

export class LastingAsk implements Ask {
  readonly #options: LastingOptions;
  #connection: Promise<Connection> | undefined;
  #live: Connection | undefined;
  #ever = false;
  #closed = false;

  constructor(options: LastingOptions) {
    this.#options = options;
  }

  ask<K extends MessageKind>(kind: K, body: Draft<K>, listening: Listening<K> = {}): Asked<K> {
    const question = new Question<K>(kind, this.#whole(kind, body), listening);
    void this.#try(question);
    return { done: question.done, drop: () => question.drop() };
  }

  async upload(upload: Upload, onProgress?: (doneBytes: number) => void): Promise<void> {
    const { digest, sizeBytes, bundle, on } = upload;
    for (;;) {
      const connection = await this.#connect();
      const done = Promise.withResolvers<void>();
      done.promise.catch(() => undefined);
      const call = connection.ask(
        'filePut',
        { digest, sizeBytes, bundle, on },
        {
          ack: ({ credit = 0, offset = 0 }) => {
            send(call, upload, { offset, credit, onProgress }).catch((error: unknown) => {
              // A session that ended stops the sending too; its own failure tells more.
              if (connection.end === undefined) done.reject(error);
            });
          },
          ok: () => done.resolve(),
          fail: (failure) => done.reject(new Refused(failure)),
        },
      );
      try {
        return await done.promise;
      } catch (error) {
        if (connection.end === undefined || this.#closed) {
          call.drop();
          throw error;
        }
      }
    }
  }

  async download({ digest, sizeBytes }: Download, take: (data: Uint8Array) => void): Promise<void> {
    let at = 0;
    for (;;) {
      const connection = await this.#connect();
      let refused: Refused | undefined;
      const credit = Math.min(sizeBytes, at + limits.creditBytes);
      const call = connection.ask(
        'fileGet',
        { digest, offset: at, credit },
        {
          ok: () => undefined,
          fail: (failure) => {
            refused = new Refused(failure);
          },
        },
      );
      const content = call.receive({ offset: at, sizeBytes });
      try {
        for (let part = await content.read(); part; part = await content.read()) {
          take(part);
          at += part.length;
          content.drained(part.length);
        }
        return;
      } catch (error) {
        if (connection.end === undefined || this.#closed) {
          call.drop();
          throw refused ?? error;
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#live?.close();
  }

  async #try<K extends MessageKind>(question: Question<K>): Promise<void> {
    try {
      const connection = await this.#connect();
      question.ask(connection, () => void this.#try(question));
    } catch (error) {
      question.fail(error);
    }
  }

  #connect(): Promise<Connection> {
    if (this.#live && this.#live.end === undefined) return Promise.resolve(this.#live);
    this.#live = undefined;
    this.#connection ??= this.#open();
    return this.#connection;
  }

  async #open(): Promise<Connection> {
    try {
      const connection = await this.#options.connect(this.#ever);
      this.#ever = true;
      if (this.#closed) void connection.close();
      this.#live = connection;
      return connection;
    } finally {
      this.#connection = undefined;
    }
  }

  #whole<K extends MessageKind>(kind: K, body: Draft<K>): Req<K> {
    const must: readonly string[] = layouts[kind].req.must;
    return {
      ...body,
      ...(must.includes('key') ? { key: this.#options.key() } : {}),
      ...(must.includes('credit') ? { credit: limits.creditBytes } : {}),
    } as unknown as Req<K>;
  }
}

interface SendOptions {
  readonly offset: number;
  readonly credit: number;
  readonly onProgress: ((doneBytes: number) => void) | undefined;
}

async function send(call: Call, upload: Upload, options: SendOptions): Promise<void> {
  const { credit, offset, onProgress } = options;
  const { sizeBytes } = upload;
  const sending = call.send({ offset, sizeBytes, credit });
  for (let at = offset; at < sizeBytes; ) {
    // What is read whole from a window is not copied.
    const data = await upload.read(at, READ_BYTES - (at % READ_BYTES));
    await sending.write(data);
    at += data.length;
    onProgress?.(at);
  }
  await sending.end();
}

/** One question, asked as often as it takes, answered once. */
class Question<K extends MessageKind> {
  readonly #kind: K;
  readonly #body: Req<K>;
  readonly #listening: Listening<K>;
  readonly #done = Promise.withResolvers<Ok<K>>();
  #call: Call | undefined;
  #over = false;
  /** Parts are taken one after the other. */
  #taken: Promise<void> = Promise.resolve();
  #begun = false;
  #takenBytes = 0;
  #granted = limits.creditBytes;

  constructor(kind: K, body: Req<K>, listening: Listening<K>) {
    this.#kind = kind;
    this.#body = body;
    this.#listening = listening;
  }

  get done(): Promise<Ok<K>> {
    return this.#done.promise;
  }

  ask(connection: Connection, again: () => void): void {
    if (this.#over) return;
    this.#call = connection.ask(this.#kind, this.#body, {
      ack: (body) => this.#listening.onAck?.(body as Ack<K>),
      more: (body) => this.#more(body),
      ok: (body) => {
        this.#taken.then(
          () => this.#done.resolve(body as Ok<K>),
          (error: unknown) => this.fail(error),
        );
      },
      fail: (failure) => this.#failed(failure, connection, again),
    });
  }

  drop(): void {
    this.fail(new LotcError('cancelled', 'interrupted'));
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#call?.drop();
    this.#done.promise.catch(() => undefined);
    this.#done.reject(error);
  }

  #more(body: AnyBody): void {
    this.#begun = true;
    this.#taken = this.#taken.then(() => this.#listening.onMore?.(body as Ok<K>));
    this.#taken.then(
      () => this.#grant(body.data?.length ?? 0),
      (error: unknown) => this.fail(error),
    );
  }

  /** Output that was taken makes room for as much again; small raises are not worth a frame. */
  #grant(bytes: number): void {
    this.#takenBytes += bytes;
    const credit = this.#takenBytes + limits.creditBytes;
    if (bytes === 0 || this.#over || credit - this.#granted < limits.creditBytes / 2) return;
    this.#granted = credit;
    this.#call?.credit(credit);
  }

  #failed(failure: Failure, connection: Connection, again: () => void): void {
    if (this.#over) return;
    const lost = connection.end;
    if (lost === undefined) {
      void this.#taken.finally(() => this.fail(new Refused(failure))).catch(() => undefined);
      return;
    }
    if (!this.#begun && !onceOnly.has(this.#kind)) {
      again();
      return;
    }
    this.fail(
      new LotcError('unreachable', `the connection to the server was lost: ${lost.text}`, {
        hint: 'is the server running? try again',
      }),
    );
  }
}
