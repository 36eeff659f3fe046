/**
 * A new key for this node every month, over the session that is there. Each step is durable before
 * the next: the new key, then (asked for with it, as often as it takes) its certificate together
 * with it in place of the old, then the next session, whose first word retires the old key at the
 * server. Whatever dies in between, the key on disk counts.
 */
import { build } from '../../base/build.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { makeRequest } from '../../net/certificate.io.ts';
import type { Link } from '../../net/link.io.ts';
import { holdsAuthorities, pinOf } from '../../net/trust.ts';
import {
  identityAtUs,
  type NodeIdentity,
  readNextKey,
  storeAuthority,
  storeNextKey,
  storeRenewed,
} from './data.io.ts';

export interface RotationOptions {
  readonly data: string;
  readonly instance: string;
  readonly identity: NodeIdentity;
  readonly everyMs: number;
  readonly log: Log;
  /** True time as it is known. */
  nowUs(): number;
}

/** A fleet that joined in one hour does not renew in one. */
const JITTER = 0.1;

export class Rotation {
  readonly #options: RotationOptions;
  readonly #everyUs: number;
  #identity: NodeIdentity;
  #timer: NodeJS.Timeout | undefined;
  #changing: Promise<void> = Promise.resolve();

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#everyUs = options.everyMs * 1000 * (1 + JITTER * (2 * Math.random() - 1));
  }

  /** With which the next session begins. */
  get identity(): NodeIdentity {
    return this.#identity;
  }

  opened(link: Link): void {
    clearTimeout(this.#timer);
    const { data, log } = this.#options;
    const sinceUs = this.#identity.keySinceUs ?? identityAtUs(data);
    const leftMs = (sinceUs + this.#everyUs - this.#options.nowUs()) / 1000;
    if (leftMs > 0) {
      const waitMs = Math.min(leftMs, limits.timerMs);
      this.#timer = setTimeout(() => this.opened(link), waitMs).unref();
      return;
    }
    this.#renew(link).catch((error: unknown) => {
      // Tried again with the next session, or when the timer comes round.
      log('warn', 'the key is not renewed yet', { reason: (error as Error).message });
      this.#timer = setTimeout(() => this.opened(link), limits.timerMs).unref();
    });
  }

  closed(): void {
    clearTimeout(this.#timer);
  }

  /** The server's word on which CAs count from now on, stored when it resolves. */
  async trust(authority: string): Promise<void> {
    const { data, log } = this.#options;
    if (!holdsAuthorities(authority)) {
      throw new LotcError('usage', 'what this node shall trust is no certificate of a CA');
    }
    await this.#inTurn(async () => {
      await storeAuthority(data, authority);
      this.#identity = { ...this.#identity, authority };
    });
    log('info', 'the CAs of the fleet are stored', { pin: pinOf(authority) });
  }

  /** The identity's file is changed by one at a time. */
  async #inTurn(change: () => Promise<void>): Promise<void> {
    const mine = this.#changing.then(change);
    this.#changing = mine.catch(() => undefined);
    await mine;
  }

  async #renew(link: Link): Promise<void> {
    if (link.end) return;
    const { data, instance, log } = this.#options;
    const { node } = this.#identity;
    const started = await readNextKey(data);
    const { key, csr } = await makeRequest(node, started);
    if (started === undefined) await storeNextKey(data, key);
    const asked = { csr, instance, build: build.version, node };
    const { certificate } = await link.request('hostAdd', asked);
    await this.#inTurn(async () => {
      const renewed = { ...this.#identity, certificate, key, keySinceUs: this.#options.nowUs() };
      await storeRenewed(data, renewed);
      this.#identity = renewed;
    });
    log('info', 'the key of this node is renewed', { node });
    await link.request('hostBye', { reason: 'its key is renewed' }).catch(() => undefined);
    await link.close('its key is renewed');
  }
}
