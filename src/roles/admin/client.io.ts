/**
 * The real session of a console: identity, addresses, TLS, HELLO. Opened by the first question;
 * everything that lasts longer than one connection is lasting.ts.
 */
import { randomBytes } from 'node:crypto';
import { build } from '../../base/build.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { monotonicMs } from '../../base/monotonic.io.ts';
import { Backoff } from '../../net/backoff.ts';
import { dial } from '../../net/dial.io.ts';
import type { Link } from '../../net/link.io.ts';
import { trustOf } from '../../net/trust-word.ts';
import type { ConnectSettings } from './client.ts';
import { identityPath, readIdentity } from './identity.io.ts';
import type { Identity } from './identity.ts';
import { type Connection, LastingAsk } from './lasting.ts';

/** Shorter limits are about the answer, not about reaching the server: they end as a timeout. */
const LEAST_CONNECT_MS = 1_000;
/** The dial gives up so long before --timeout, to say which addresses it has tried. */
const TELL_MS = 100;
const RETRY_MS_MAX = 1_000;

type Env = Readonly<Record<string, string | undefined>>;

export class RealAsk extends LastingAsk {
  readonly #abort: AbortController;

  constructor(settings: ConnectSettings, env: Env, warn: (text: string) => void) {
    const abort = new AbortController();
    const door = new Door(settings, env, warn, abort.signal);
    super({
      connect: (again) => (again ? door.openAgain() : door.open()),
      key: newKey,
    });
    this.#abort = abort;
  }

  override async close(): Promise<void> {
    this.#abort.abort();
    await super.close();
  }
}

const KEY_BYTES = 16;
/** Made many at once: to ask the generator costs more than what it gives. */
let keys = Buffer.alloc(0);

function newKey(): Uint8Array {
  if (keys.length === 0) keys = randomBytes(32 * KEY_BYTES);
  const key = new Uint8Array(keys.subarray(0, KEY_BYTES));
  keys = keys.subarray(KEY_BYTES);
  return key;
}

class Door {
  readonly #settings: ConnectSettings;
  readonly #env: Env;
  readonly #warn: (text: string) => void;
  readonly #signal: AbortSignal;
  readonly #instance = randomBytes(8).toString('hex');
  #identity: Identity | undefined;

  constructor(...args: [ConnectSettings, Env, (text: string) => void, AbortSignal]) {
    [this.#settings, this.#env, this.#warn, this.#signal] = args;
  }

  async open(): Promise<Connection> {
    const { keylog, plaintext, servers, timeoutMs = limits.connectMs } = this.#settings;
    const identity = plaintext && servers.length > 0 ? undefined : await this.#identified();
    const patienceMs = timeoutMs < LEAST_CONNECT_MS ? limits.connectMs : timeoutMs - TELL_MS;
    const dialled = dial({
      servers: servers.length > 0 ? servers : (identity?.addresses ?? []),
      credentials: identity,
      plaintext,
      keylog,
      timeoutMs: Math.min(limits.connectMs, patienceMs),
      signal: this.#signal,
    });
    // The protocol is loaded while the server is being reached.
    const [{ socket }, { BriskLink }] = await Promise.all([dialled, import('./brisk-link.io.ts')]);
    const link = new BriskLink(socket);
    try {
      const { authority } = await link.hello({
        ...{ build: build.version, features: [], role: 'admin', instance: this.#instance },
        ...(identity ? { trusts: trustOf(identity.authority) } : {}),
      });
      if (authority !== undefined) await this.#trust(authority);
    } catch (error) {
      socket.destroy();
      throw turnedAway(error, link);
    }
    return link;
  }

  /** The server may be starting again: tries for as long as connecting may take. */
  async openAgain(): Promise<Connection> {
    const endMs = monotonicMs() + limits.connectMs;
    const backoff = new Backoff();
    for (;;) {
      const waitMs = Math.min(RETRY_MS_MAX, backoff.next(Math.random()));
      await new Promise((resolve) => void setTimeout(resolve, waitMs));
      try {
        return await this.open();
      } catch (error) {
        const away = error instanceof LotcError && error.code === 'unreachable';
        if (!away || this.#signal.aborted || monotonicMs() > endMs) throw error;
      }
    }
  }

  /** The fleet has another CA from now on: so has this identity. */
  async #trust(authority: string): Promise<void> {
    const { keepAuthority } = await import('./trust.io.ts');
    const { identity } = this.#settings;
    if (await keepAuthority(identityPath(identity, this.#env), authority, this.#warn)) {
      this.#identity &&= { ...this.#identity, authority };
    }
  }

  async #identified(): Promise<Identity> {
    if (this.#identity) return this.#identity;
    const { identity: given } = this.#settings;
    const identity = readIdentity(given, this.#env, this.#warn);
    this.#identity = identity.key.includes('ENCRYPTED')
      ? await this.#unlocked(identity, identityPath(given, this.#env))
      : identity;
    return this.#identity;
  }

  async #unlocked(identity: Identity, path: string): Promise<Identity> {
    const { unlock } = await import('./passphrase.io.ts');
    return unlock(identity, path, this.#env);
  }
}

/** An end before WELCOME: the server's own words, or what ended the connection. */
function turnedAway(error: unknown, link: Link): unknown {
  const { end } = link;
  const told = error instanceof LotcError && error.code !== 'unresponsive';
  if (told || end === undefined) return error;
  if (/alert|certificate/i.test(end.text)) {
    return new LotcError(
      'unauthenticated',
      `the server does not accept this identity: ${end.text}`,
      {
        hint: 'use an identity of this fleet: --identity FILE or $LOTC_IDENTITY',
      },
    );
  }
  return new LotcError('unreachable', `the server ended the connection: ${end.text}`, {
    hint: 'is that a LOTC server, and is it running?',
  });
}
