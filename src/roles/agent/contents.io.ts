/**
 * Code on this node: fetched from the server into the blob store (a transfer that broke off goes
 * on where it was), verified, unpacked beside its place and renamed into it, so that it is there
 * whole or not at all. What is unpacked is kept; the archive is not.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import type { Receiving } from '../../net/content.ts';
import type { Call } from '../../net/exchange.ts';
import type { Link } from '../../net/link.io.ts';
import { RefusedError } from '../../net/refused.ts';
import { type BlobStore, openBlobs } from '../../store/blobs.io.ts';
import { sweepUnfinished, unpackBundle } from '../../store/unpack.io.ts';
import { removeTree } from '../../supervisor/remove-tree.io.ts';
import type { AgentAction } from './events.ts';
import { InOrder } from './in-order.ts';

export type Fetch = AgentAction & { readonly type: 'fetch-bundle' };

export interface ContentsOptions {
  readonly blobs: string;
  readonly bundles: string;
  readonly log: Log;
  loaded(digest: string): void;
  failed(digest: string, reason: string, passing: boolean): void;
  removed(digest: string): void;
}

const FETCHES_AT_ONCE = 2;
const STALE_MS = 7 * 86_400_000;
const HEX = /^[0-9a-f]{64}$/;

export class Contents {
  readonly #options: ContentsOptions;
  readonly #blobs: BlobStore;
  readonly #wanted = new Map<string, Fetch>();
  readonly #underWay = new Map<string, AbortController>();
  /** One thing at a time with each digest. */
  readonly #turns: InOrder;
  #link: Link | undefined;

  constructor(options: ContentsOptions) {
    this.#options = options;
    mkdirSync(options.bundles, { recursive: true, mode: 0o711 });
    this.#blobs = openBlobs(options.blobs);
    this.#turns = new InOrder((digest, error) => {
      options.log('error', 'bundle content', { digest, reason: (error as Error).message });
    });
  }

  /** Digests whose content is here; what a crash left half-done is removed. */
  async begin(): Promise<string[]> {
    const { bundles } = this.#options;
    await sweepUnfinished(bundles);
    await this.#blobs.removeStale(Date.now() - STALE_MS);
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
    this.#wanted.set(wanted.digest, wanted);
    this.#pump();
  }

  remove(digest: string): void {
    this.#wanted.delete(digest);
    this.#underWay.get(digest)?.abort();
    this.#turns.do(digest, async () => {
      const hex = hexOf(digest);
      await removeTree(this.#options.bundles, hex);
      await this.#blobs.remove(hex);
      this.#options.removed(digest);
    });
  }

  async close(): Promise<void> {
    this.#wanted.clear();
    for (const abort of this.#underWay.values()) abort.abort();
    await this.#turns.idle();
    await this.#blobs[Symbol.asyncDispose]();
  }

  #pump(): void {
    const link = this.#link;
    if (!link || link.end) return;
    for (const [digest, wanted] of this.#wanted) {
      if (this.#underWay.size >= FETCHES_AT_ONCE) return;
      if (this.#underWay.has(digest)) continue;
      const abort = new AbortController();
      this.#underWay.set(digest, abort);
      this.#turns.do(digest, () => this.#fetch(wanted, link, abort.signal));
    }
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
      // What is here of it would keep the disk full, for programs too.
      if (isFull(error)) await this.#blobs.remove(hexOf(digest)).catch(() => undefined);
      this.#options.failed(digest, (error as Error).message, isPassing(error));
    } finally {
      this.#underWay.delete(digest);
      queueMicrotask(() => this.#pump());
    }
  }

  async #load({ digest, bundle, sizeBytes }: Fetch, link: Link, signal: AbortSignal) {
    const hex = hexOf(digest);
    const bytes = sizeBytes ?? (await this.#sizeOf(digest, link));
    const upload = await this.#blobs.open(hex, bytes);
    try {
      if (upload.have < bytes) {
        await this.#expectRoom(bytes - upload.have, bundle);
        const { content, answer } = ask(link, digest, upload.have, bytes);
        for (let pieces = await content.read(); pieces; pieces = await content.read()) {
          for (const piece of pieces) {
            if (signal.aborted) throw new LotcError('cancelled', 'not wanted any more');
            await upload.write(upload.have, piece);
            content.drained(piece.length);
          }
        }
        await answer;
      }
      await upload.finish();
    } catch (error) {
      await upload.abandon();
      throw error;
    }
    await unpackBundle(this.#blobs.path(hex), this.path(digest), { digest, label: bundle });
    await rm(this.#blobs.path(hex), { force: true });
  }

  /** An early no leaves the disk's last bytes to others; the late one is still there. */
  async #expectRoom(bytes: number, label: string): Promise<void> {
    const { bavail, bsize } = await statfs(this.#options.blobs);
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

function ask(
  link: Link,
  digest: string,
  offset: number,
  sizeBytes: number,
): { readonly content: Receiving; readonly answer: Promise<void> } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => undefined);
  const credit = offset + limits.creditBytes;
  const call: Call = link.ask(
    'fileGet',
    { digest, offset, credit },
    { ok: () => resolve(), fail: (failure) => reject(new RefusedError(failure)) },
  );
  return { content: call.receive({ offset, sizeBytes }), answer: promise };
}

/** A full disk has room again some day, a busy server time; a bad archive stays bad. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof LotcError)) return true;
  return error.code !== 'bad-archive' && error.code !== 'too-large';
}

const isFull = (error: unknown): boolean =>
  error instanceof LotcError && error.code === 'disk-full';

const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
