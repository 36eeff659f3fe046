/**
 * Content of bundles on its way in (from consoles) and out (to nodes), in bounded memory: the
 * receiver's credit and the disk's pace decide, never a queue. A node gets what it is assigned and
 * nothing else; what it is not gets the answer of what does not exist.
 */
import { errorCodes, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Reply } from '../../net/exchange.ts';
import type { Failure, Req } from '../../net/layout.ts';
import type { BlobStore } from '../../store/blobs.io.ts';
import type { State } from './model/state.ts';

/** Content whose command has not come yet is kept so long. */
const FRESH_MS = 600_000;

export class Transfers {
  readonly #blobs: BlobStore;
  readonly #state: () => State;
  readonly #fresh = new Map<string, number>();
  #uploads = 0;

  constructor(blobs: BlobStore, state: () => State) {
    this.#blobs = blobs;
    this.#state = state;
  }

  /** Digests that arrived a while ago at most, whether or not something names them yet. */
  get fresh(): ReadonlySet<string> {
    const since = performance.now() - FRESH_MS;
    for (const [digest, atMs] of this.#fresh) if (atMs < since) this.#fresh.delete(digest);
    return new Set(this.#fresh.keys());
  }

  put(body: Req<'filePut'>, reply: Reply): void {
    this.#put(body, reply).catch((error: unknown) => reply.fail(failureOf(error)));
  }

  async #put({ digest, sizeBytes }: Req<'filePut'>, reply: Reply): Promise<void> {
    if (sizeBytes > limits.bundleBytes) {
      throw new LotcError(
        'too-large',
        `the bundle has ${sizeBytes} bytes; at most ${limits.bundleBytes}`,
      );
    }
    if (this.#uploads >= limits.uploadsAtOnce) {
      throw new LotcError('busy', `${this.#uploads} uploads are under way already`, {
        hint: 'try again in a moment',
      });
    }
    this.#uploads += 1;
    try {
      await this.#take(digest, sizeBytes, reply);
    } finally {
      this.#uploads -= 1;
    }
  }

  async #take(digest: string, sizeBytes: number, reply: Reply): Promise<void> {
    this.#fresh.set(digest, performance.now());
    const upload = await this.#blobs.open(hexOf(digest), sizeBytes);
    try {
      const offset = upload.have;
      if (offset < sizeBytes) {
        const content = reply.receive({ offset, sizeBytes });
        reply.ack({ offset, credit: content.credit });
        for (let pieces = await content.read(); pieces; pieces = await content.read()) {
          for (const piece of pieces) {
            await upload.write(upload.have, piece);
            content.drained(piece.length);
          }
        }
      }
      await upload.finish();
      reply.ok({ digest });
    } catch (error) {
      // What has come stays: a push that is tried again goes on from there.
      await upload.abandon().catch(() => undefined);
      throw error;
    }
  }

  get(uid: string, body: Req<'fileGet'>, reply: Reply): void {
    this.#get(uid, body, reply).catch((error: unknown) => reply.fail(failureOf(error)));
  }

  async #get(uid: string, { digest, offset, credit }: Req<'fileGet'>, reply: Reply): Promise<void> {
    const sizeBytes = this.#isAssigned(uid, digest)
      ? await this.#blobs.bytes(hexOf(digest))
      : undefined;
    if (sizeBytes === undefined || offset > sizeBytes) {
      throw new LotcError('no-such-bundle', `there is no content ${digest} for this node`);
    }
    const content = reply.send({ offset, sizeBytes, credit });
    reply.ack({ sizeBytes });
    if (offset < sizeBytes) {
      for await (const slice of this.#blobs.stream(hexOf(digest), offset))
        await content.write(slice);
    }
    await content.end();
    reply.ok({ digest });
  }

  #isAssigned(uid: string, digest: string): boolean {
    const { assignments, runs, index } = this.#state();
    for (const item of assignments.get(uid)?.items.values() ?? []) {
      if (item.digest === digest || item.plan?.digest === digest) return true;
    }
    for (const run of index.runsOn.get(uid) ?? [])
      if (runs.get(run)?.digest === digest) return true;
    return false;
  }
}

const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');

function failureOf(error: unknown): Failure {
  if (error instanceof LotcError) {
    return { errorCode: errorCodes[error.code].number, text: error.message, hint: error.hint };
  }
  return { errorCode: errorCodes.io.number, text: (error as Error).message };
}
