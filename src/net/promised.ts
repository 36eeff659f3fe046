/** A call as a promise: parts taken one after the other, withdrawn by an AbortSignal. */
import type { AskHandlers, Call } from './exchange.ts';
import type { Ack, MessageKind, Ok } from './layout.ts';
import { RefusedError } from './refused.ts';

export interface RequestOptions<K extends MessageKind> {
  readonly signal?: AbortSignal | undefined;
  onAck?(body: Ack<K>): void;
  /** Parts of the answer, one after the other; the next waits until this one is taken. */
  onMore?(body: Ok<K>): void | Promise<void>;
}

export function promised<K extends MessageKind>(
  ask: (handlers: AskHandlers) => Call,
  options: RequestOptions<K>,
): Promise<Ok<K>> {
  const { promise, resolve, reject } = Promise.withResolvers<Ok<K>>();
  const { signal } = options;
  let taken: Promise<void> | undefined;
  const asked: { call?: Call } = {};
  const give = (reason: unknown): void => {
    signal?.removeEventListener('abort', aborted);
    asked.call?.drop();
    reject(reason);
  };
  const aborted = (): void => give(signal?.reason);
  if (signal?.aborted) {
    reject(signal.reason as Error);
    return promise;
  }
  signal?.addEventListener('abort', aborted, { once: true });
  asked.call = ask({
    ack: (body) => options.onAck?.(body as Ack<K>),
    more: (body) => {
      taken = (taken ?? Promise.resolve()).then(() => options.onMore?.(body as Ok<K>));
      taken.catch(give);
    },
    ok: (body) => {
      signal?.removeEventListener('abort', aborted);
      if (taken) taken.then(() => resolve(body as Ok<K>), give);
      else resolve(body as Ok<K>);
    },
    fail: (failure) => give(new RefusedError(failure)),
  });
  return promise;
}
