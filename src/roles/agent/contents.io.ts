/**
 * Code on this node: fetched from the server and unpacked as it comes, beside its place (a transfer
 * that broke off goes on where it was, also after this process died), verified, and renamed into
 * it, so that it is there whole or not at all. The archive itself is never stored.
 *
 * What the server offers while it is still arriving there is fetched at once, behind what is
 * wanted. It counts for nothing, and nobody is told of it, until it is wanted; if it never is, it
 * is removed.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import type { Req } from '../../net/bodies.ts';
import type { Receiving } from '../../net/content.ts';
import type { Link } from '../../net/link.io.ts';
import { RefusedError } from '../../net/refused.ts';
import { removeUnfinished, sweepUnfinished, Unpacker } from '../../store/unpack.io.ts';
import { removeTree } from '../../supervisor/remove-tree.io.ts';
import type { AgentAction } from './events.ts';
import { InOrder } from './in-order.ts';

export type Fetch = AgentAction & { readonly type: 'fetch-bundle' };

export interface ContentsOptions {
  readonly bundles: string;
  readonly log: Log;
  loaded(digest: string): void;
  failed(digest: string, reason: string, passing: boolean): void;
  removed(digest: string): void;
}

type Offer = Req<'fileOffer'>;
type Wanted = Pick<Fetch, 'digest' | 'bundle' | 'sizeBytes'>;

const FETCHES_AT_ONCE = 2;
/** What was offered and is not wanted by then goes; the server keeps its own as long. */
const OFFER_MS = 600_000;
const STALE_MS = 7 * 86_400_000;
const HEX = /^[0-9a-f]{64}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

export class Contents {
  readonly #options: ContentsOptions;
  readonly #wanted = new Map<string, Fetch>();
  /** To be fetched, in the order they came. */
  readonly #offers = new Map<string, Offer>();
  /** Offered in this life and not wanted yet, fetched or not. */
  readonly #unnamed = new Map<string, NodeJS.Timeout>();
  readonly #underWay = new Map<string, AbortController>();
  /** One thing at a time with each digest. */
  readonly #turns: InOrder;
  #link: Link | undefined;

  constructor(options: ContentsOptions) {
    this.#options = options;
    mkdirSync(options.bundles, { recursive: true, mode: 0o711 });
    this.#turns = new InOrder((digest, error) => {
      options.log('error', 'bundle content', { digest, reason: (error as Error).message });
    });
  }

  /** Digests whose content is here; what a crash left half-done is removed. */
  async begin(): Promise<string[]> {
    const { bundles } = this.#options;
    await sweepUnfinished(bundles, Date.now() - STALE_MS);
    const names = readdirSync(bundles).filter((name) => HEX.test(name));
    return names.map((name) => `sha256:${name}`);
  }

  path(digest: string): string {
    return join(this.#options.bundles, hexOf(digest));
  }

  connected(link: Link): void {
    this.#link = link;
    this.#pump();
  }

  disconnected(): void {
    this.#link = undefined;
  }

  fetch(wanted: Fetch): void {
    clearTimeout(this.#unnamed.get(wanted.digest));
    this.#unnamed.delete(wanted.digest);
    this.#wanted.set(wanted.digest, wanted);
    this.#pump();
  }

  /** Content that is arriving at the server, and may be wanted here as soon as it is there. */
  offer(offer: Offer): void {
    const { digest } = offer;
    if (!DIGEST.test(digest) || this.#wanted.has(digest) || existsSync(this.path(digest))) return;
    clearTimeout(this.#unnamed.get(digest));
    this.#unnamed.set(digest, setTimeout(() => this.#forget(digest), OFFER_MS).unref());
    this.#offers.set(digest, offer);
    this.#pump();
  }

  remove(digest: string): void {
    this.#wanted.delete(digest);
    this.#underWay.get(digest)?.abort();
    this.#turns.do(digest, async () => {
      const hex = hexOf(digest);
      await this.#discard(hex);
      this.#options.removed(digest);
    });
  }

  async close(): Promise<void> {
    this.#wanted.clear();
    this.#offers.clear();
    for (const timer of this.#unnamed.values()) clearTimeout(timer);
    for (const abort of this.#underWay.values()) abort.abort();
    await this.#turns.idle();
  }

  #pump(): void {
    const link = this.#link;
    if (!link || link.end) return;
    for (const [digest, wanted] of this.#wanted) {
      if (!this.#begin(digest, (signal) => this.#fetch(wanted, link, signal))) return;
    }
    for (const [digest, offer] of this.#offers) {
      if (!this.#begin(digest, (signal) => this.#prefetch(offer, link, signal))) return;
    }
  }

  /** False: as much as may be is under way. */
  #begin(digest: string, act: (signal: AbortSignal) => Promise<void>): boolean {
    if (this.#underWay.has(digest)) return true;
    if (this.#underWay.size >= FETCHES_AT_ONCE) return false;
    const abort = new AbortController();
    this.#underWay.set(digest, abort);
    this.#turns.do(digest, async () => {
      try {
        await act(abort.signal);
      } finally {
        this.#underWay.delete(digest);
        queueMicrotask(() => this.#pump());
      }
    });
    return true;
  }

  async #fetch(wanted: Fetch, link: Link, signal: AbortSignal): Promise<void> {
    const { digest } = wanted;
    try {
      await this.#load(wanted, link, signal);
      if (signal.aborted) return;
      this.#wanted.delete(digest);
      this.#options.loaded(digest);
    } catch (error) {
      if (signal.aborted) return;
      // The session ended: what is here stays, the next one goes on with it.
      if (link.end) return;
      this.#wanted.delete(digest);
      this.#options.failed(digest, (error as Error).message, isPassing(error));
    }
  }

  /** What fails is nobody's business yet: it is tried again, and told of, once it is wanted. */
  async #prefetch(offer: Offer, link: Link, signal: AbortSignal): Promise<void> {
    const { digest } = offer;
    try {
      if (!this.#wanted.has(digest)) await this.#load(offer, link, signal);
    } catch (error) {
      const { log } = this.#options;
      log('info', 'an offered bundle is left', { digest, reason: (error as Error).message });
    } finally {
      this.#offers.delete(digest);
    }
  }

  #forget(digest: string): void {
    this.#unnamed.delete(digest);
    this.#offers.delete(digest);
    this.#underWay.get(digest)?.abort();
    this.#turns.do(digest, async () => {
      if (!this.#wanted.has(digest)) await this.#discard(hexOf(digest));
    });
  }

  async #discard(hex: string): Promise<void> {
    await removeTree(this.#options.bundles, hex);
    await removeUnfinished(join(this.#options.bundles, hex));
  }

  async #load(wanted: Wanted, link: Link, signal: AbortSignal): Promise<void> {
    const { digest, bundle } = wanted;
    if (existsSync(this.path(digest))) return;
    const bytes = wanted.sizeBytes ?? (await this.#sizeOf(digest, link));
    const unpacker = await Unpacker.resume(this.path(digest), bundle);
    try {
      await this.#expectRoom(bytes - unpacker.offset, bundle);
      await take(ask(link, digest, unpacker.offset, bytes), unpacker, signal);
      await unpacker.finish(digest);
    } catch (error) {
      // What was cut off goes on later; what is bad, or has filled the disk, goes.
      if (link.end || signal.aborted || error instanceof RefusedError) await unpacker.pause();
      else await unpacker.abort();
      throw error;
    }
  }

  /** An early no leaves the disk's last bytes to others; the late one is still there. */
  async #expectRoom(bytes: number, label: string): Promise<void> {
    const { bavail, bsize } = await statfs(this.#options.bundles);
    if (bavail * bsize >= bytes) return;
    throw new LotcError('disk-full', `cannot store ${label}: no space left on the device`, {
      hint: 'free space there; nothing else has to be done',
    });
  }

  /** For content that no item names any more, only a run. */
  async #sizeOf(digest: string, link: Link): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = link.ask(
        'fileGet',
        { digest, offset: 0, credit: 0 },
        {
          ack: ({ sizeBytes }) => {
            call.drop();
            resolve(sizeBytes ?? 0);
          },
          ok: () => undefined,
          fail: (failure) => reject(new RefusedError(failure)),
        },
      );
      call.receive({ offset: 0 });
    });
  }
}

async function take({ content, drop }: Transfer, into: Unpacker, signal: AbortSignal) {
  try {
    for (let part = await content.read(); part; part = await content.read()) {
      if (signal.aborted) throw new LotcError('cancelled', 'not wanted any more');
      await into.write(part);
      content.drained(part.length);
    }
  } catch (error) {
    drop();
    throw error;
  }
}

interface Transfer {
  readonly content: Receiving;
  readonly drop: () => void;
}

/** The content is judged by its digest: what the server says behind it changes nothing. */
function ask(link: Link, digest: string, offset: number, sizeBytes: number): Transfer {
  const credit = offset + limits.creditBytes;
  const heard = { ok: () => undefined, fail: () => undefined };
  const call = link.ask('fileGet', { digest, offset, credit }, heard);
  return { content: call.receive({ offset, sizeBytes }), drop: () => call.drop() };
}

/** A full disk has room again some day, a busy server time; a bad archive stays bad. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof LotcError)) return true;
  return error.code !== 'bad-archive' && error.code !== 'too-large';
}

const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
