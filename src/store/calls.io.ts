/**
 * Calls into a worker thread and their answers. A call is one message, an answer another. Errors
 * keep their code and hint on the way back, which structured cloning alone would lose. What is
 * asked and what it means is between the two ends.
 */

import { parentPort, type Transferable, type Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { type ErrorCode, LotcError } from '../base/errors.ts';
import { JournalError, type JournalFault } from './journal.ts';

/** What a thread answers to; each handler takes one argument that can be cloned. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

/** An answer whose buffers move instead of being copied. */
export class Moved<T> {
  readonly value: T;
  readonly transfer: readonly Transferable[];

  constructor(value: T, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

type Answer<T> = Awaited<T> extends Moved<infer V> ? V : Awaited<T>;

interface Failure {
  readonly fault: JournalFault | undefined;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

type Message =
  | { readonly id: number; readonly kind: string; readonly argument: unknown }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Failure }
  /** Said by the thread of its own accord. */
  | { readonly notice: string };

interface Open {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export class Calls<H extends Handlers> {
  readonly #worker: Worker;
  readonly #open = new Map<number, Open>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #onFailure: (error: Error) => void;
  #last = 0;
  #failure: Error | undefined;

  constructor(
    worker: Worker,
    onNotice: (text: string) => void = () => {},
    onFailure: (error: Error) => void = () => {},
  ) {
    this.#worker = worker;
    this.#onFailure = onFailure;
    worker.on('message', (message: Message) => {
      if ('notice' in message) onNotice(message.notice);
      else this.#answered(message);
    });
    worker.on('error', (cause) => this.#fail(cause as Error));
    worker.on('exit', () => {
      this.#fail(new Error('its thread ended'));
      this.#ended.resolve();
    });
  }

  call<K extends keyof H & string>(
    kind: K,
    argument: Parameters<H[K]>[0],
    transfer: readonly Transferable[] = [],
  ): Promise<Answer<ReturnType<H[K]>>> {
    if (this.#failure) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Answer<ReturnType<H[K]>>>();
    this.#last += 1;
    this.#open.set(this.#last, { resolve, reject });
    this.#worker.postMessage({ id: this.#last, kind, argument }, [...transfer]);
    return promise;
  }

  /** Resolves when the thread is gone. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended.promise;
  }

  #answered(message: Message): void {
    assert('id' in message, 'an answer has its call’s number');
    const open = this.#open.get(message.id);
    assert(open !== undefined, 'a call is answered once');
    this.#open.delete(message.id);
    if ('failure' in message) open.reject(errorOf(message.failure));
    else if ('value' in message) open.resolve(message.value as never);
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
    this.#onFailure(error);
  }
}

/**
 * Inside the thread: answers calls until the thread is ended; `make` is given the way to say
 * something to the other side.
 * Handlers that return no promise run whole, in the order of the calls; others may be overtaken.
 */
export function serve(make: (notice: (text: string) => void) => Handlers): void {
  const port = parentPort;
  assert(port !== null, 'calls are served in a worker thread');
  const handlers = make((notice) => port.postMessage({ notice }));
  const answer = async (id: number, kind: string, argument: unknown): Promise<void> => {
    try {
      const handler = handlers[kind];
      assert(handler !== undefined, `no call is named ${kind}`);
      const value = handler(argument as never);
      const result: unknown = value instanceof Promise ? await value : value;
      if (result instanceof Moved)
        port.postMessage({ id, value: result.value }, [...result.transfer]);
      else port.postMessage({ id, value: result });
    } catch (error) {
      port.postMessage({ id, failure: failureOf(error) });
    }
  };
  port.on('message', ({ id, kind, argument }: Extract<Message, { kind: string }>) => {
    void answer(id, kind, argument);
  });
}

function failureOf(error: unknown): Failure {
  const { message } = error as Error;
  if (error instanceof LotcError) {
    const fault = error instanceof JournalError ? error.fault : undefined;
    return { fault, code: error.code, message, hint: error.hint };
  }
  return { fault: undefined, code: 'io', message, hint: undefined };
}

function errorOf({ fault, code, message, hint }: Failure): LotcError {
  if (fault !== undefined) return new JournalError(fault, message, { hint });
  return new LotcError(code, message, { hint });
}
