/**
 * The agent's line to its server: dialled for ever, one session after the other. Refused or not
 * reached, an enrolled agent goes on: its processes need it, and the server may come back.
 */

import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { Backoff } from '../../net/backoff.ts';
import type { Ok, Req } from '../../net/bodies.ts';
import { type DialCredentials, dial } from '../../net/dial.io.ts';
import { Link } from '../../net/link.io.ts';
import { RefusedError } from '../../net/refused.ts';
import { rest } from './rest.io.ts';

export interface ConnectionOptions {
  readonly servers: readonly string[];
  /** Of the session that is about to begin. */
  credentials(): DialCredentials | undefined;
  readonly plaintext: boolean;
  readonly keylog: string | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  hello(): Req<'hostHello'>;
  /** Before HELLO is sent: what the server asks has to find its handlers. */
  prepare(link: Link): void;
  opened(link: Link, welcome: Ok<'hostHello'>): void;
  closed(why: string): void;
}

/** Returns when `signal` says so. */
export async function keepConnected(options: ConnectionOptions): Promise<void> {
  const { log, signal } = options;
  const backoff = new Backoff();
  let said = '';
  while (!signal.aborted) {
    let waitMs: number | undefined;
    try {
      const why = await session(options, backoff);
      said = '';
      if (signal.aborted) return;
      log('warn', 'disconnected', { reason: why });
    } catch (error) {
      if (signal.aborted) return;
      const { message } = error as Error;
      const refused = isRefusal(error);
      if (refused) waitMs = limits.refusedRetryMs;
      // The same reason every few seconds tells nobody anything.
      if (refused || message !== said) {
        const hint = error instanceof LotcError ? error.hint : undefined;
        const text = refused ? 'the server refuses this node' : 'the server cannot be reached';
        log(refused ? 'error' : 'warn', text, { reason: message, hint });
      }
      said = message;
    }
    await rest(waitMs ?? backoff.next(Math.random()), signal);
  }
}

/** One session from dialling to its end; why it ended. */
async function session(options: ConnectionOptions, backoff: Backoff): Promise<string> {
  const { servers, plaintext, keylog, log, signal } = options;
  const credentials = options.credentials();
  const { socket, address } = await dial({ servers, credentials, plaintext, keylog, signal });
  const link = new Link({ socket, side: 'opener' });
  options.prepare(link);
  const stop = (): void => void link.close('the agent stops');
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    await link.hello(options.hello(), (welcome) => {
      backoff.reset();
      log('info', 'connected', { server: address, build: welcome.build });
      options.opened(link, welcome);
    });
    const { text } = await link.closed;
    options.closed(text);
    return text;
  } finally {
    signal.removeEventListener('abort', stop);
    await link.close();
  }
}

/** The server, or what answers in its place, said no; not merely nothing. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof LotcError)) return false;
  if (error.code === 'wrong-server') return true;
  return error instanceof RefusedError && error.code !== 'unresponsive';
}
