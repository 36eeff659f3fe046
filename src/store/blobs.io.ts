/**
 * Files named by the sha256 of what is in them. A blob appears whole and verified, or not at all,
 * and never changes; an upload that was cut off goes on where it ended.
 *
 * Bytes are gathered into slabs, hashed a slab at a time as they pass, and written by the thread
 * pool: no call keeps the loop for longer than it takes to hash one slab (some 0.2 ms), and an
 * upload holds two slabs, however fast its sender is.
 */

import { mkdirSync } from 'node:fs';
import { type FileHandle, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { giveBlock, takeBlock } from '../base/blocks.ts';
import { LotcError } from '../base/errors.ts';
import { type BlobUpload, FileUpload } from './blob-upload.io.ts';
import { storageError, syncDirectory } from './durable.io.ts';

export type { BlobUpload } from './blob-upload.io.ts';

export interface BlobFacts {
  /** Lowercase hex. */
  readonly digest: string;
  readonly bytes: number;
}

/** Files held open for readers that come back for the next slice. */
const openFiles = 16;
const digestPattern = /^[0-9a-f]{64}$/;

export function openBlobs(directory: string): BlobStore {
  mkdirSync(join(directory, 'partial'), { recursive: true, mode: 0o700 });
  return new BlobStore(directory);
}

export class BlobStore implements AsyncDisposable {
  readonly #directory: string;
  readonly #uploads = new Map<string, FileUpload>();
  readonly #files = new Map<string, Promise<FileHandle>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Where the blob is, or would be. */
  path(digest: string): string {
    if (!digestPattern.test(digest)) {
      throw new LotcError('no-such-bundle', `${digest} is not a sha256 digest`);
    }
    return join(this.#directory, digest);
  }

  async has(digest: string): Promise<boolean> {
    return (await this.bytes(digest)) !== undefined;
  }

  async bytes(digest: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(digest))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw storageError(error, `cannot read ${digest}`);
    }
  }

  /** What the file system has left for us. */
  async roomBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory);
    return bavail * bsize;
  }

  /**
   * Begins an upload or goes on with one. What is there already is hashed first, in slices;
   * `have` says where to go on. A blob that is complete has all of it: `finish` then does nothing.
   */
  async open(digest: string, bytes: number): Promise<BlobUpload> {
    const path = this.path(digest);
    if (this.#uploads.has(digest)) {
      throw new LotcError('busy', `${digest} is being uploaded already`, {
        hint: 'try again later',
      });
    }
    const upload = new FileUpload({
      ...{ path, digest, bytes, partial: this.#partial(digest) },
      onEnd: () => this.#uploads.delete(digest),
    });
    this.#uploads.set(digest, upload);
    try {
      await upload.begin();
      return upload;
    } catch (error) {
      this.#uploads.delete(digest);
      throw storageError(error, `cannot store ${digest}`);
    }
  }

  /**
   * The blob from `offset` on, in slabs; the next one is read while this one is used. Each is
   * good until the next one is asked for.
   */
  async *stream(digest: string, offset = 0): AsyncGenerator<Uint8Array> {
    let [block, spare] = [takeBlock(), takeBlock()];
    let at = offset;
    let next = this.#readInto(block, digest, at);
    try {
      for (;;) {
        const slab = await next;
        if (slab.length === 0) return;
        at += slab.length;
        [block, spare] = [spare, block];
        next = this.#readInto(block, digest, at);
        // Whoever stops early leaves it unread: its failure is then nobody's.
        next.catch(() => {});
        yield slab;
      }
    } finally {
      await next.catch(() => {});
      giveBlock(block);
      giveBlock(spare);
    }
  }

  /** The size of an upload that is under way. */
  arriving(digest: string): number | undefined {
    return this.#uploads.get(digest)?.bytes;
  }

  /**
   * Like `stream`, also while the blob arrives, at its pace. Ends behind the last byte when the
   * blob is verified and durable, and throws where it never will be. A slab is good until the
   * next one is asked for.
   */
  async *follow(digest: string, offset: number): AsyncGenerator<Uint8Array> {
    let at = offset;
    const upload = this.#uploads.get(digest);
    for (let part = await upload?.follow(at); part; part = await upload?.follow(at)) {
      try {
        at += part.bytes.length;
        yield part.bytes;
      } finally {
        part.release();
      }
    }
    yield* this.stream(digest, at);
  }

  /** Durable when it resolves; readers that hold it open are not disturbed. */
  async remove(digest: string): Promise<void> {
    this.#forget(digest);
    await this.#uploads.get(digest)?.abandon();
    await rm(this.path(digest), { force: true });
    await rm(this.#partial(digest), { force: true });
    await syncDirectory(this.#directory);
  }

  async list(): Promise<BlobFacts[]> {
    const facts: BlobFacts[] = [];
    for (const digest of await readdir(this.#directory)) {
      if (!digestPattern.test(digest)) continue;
      const bytes = await this.bytes(digest);
      if (bytes !== undefined) facts.push({ digest, bytes });
    }
    return facts;
  }

  /** Removes partial uploads that nobody has added to since this wall instant. */
  async removeStale(beforeMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(join(this.#directory, 'partial'))) {
      if (this.#uploads.has(name)) continue;
      const path = join(this.#directory, 'partial', name);
      const facts = await stat(path).catch(() => undefined);
      if (!facts || facts.mtimeMs >= beforeMs) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const upload of [...this.#uploads.values()]) await upload.abandon();
    for (const digest of [...this.#files.keys()]) this.#forget(digest);
  }

  #partial(digest: string): string {
    return join(this.#directory, 'partial', digest);
  }

  async #readInto(into: Uint8Array, digest: string, offset: number): Promise<Uint8Array> {
    try {
      const file = await this.#file(digest);
      const { bytesRead } = await file.read(into, 0, into.length, offset);
      return into.subarray(0, bytesRead);
    } catch (error) {
      this.#forget(digest);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw storageError(error, `cannot read ${digest}`);
      }
      throw new LotcError('no-such-bundle', `${digest} is not stored here`);
    }
  }

  #file(digest: string): Promise<FileHandle> {
    const known = this.#files.get(digest);
    const file = known ?? open(this.path(digest));
    // Moves it to the end: the first one is the one used longest ago.
    this.#files.delete(digest);
    this.#files.set(digest, file);
    const oldest = this.#files.keys().next().value;
    if (this.#files.size > openFiles && oldest !== undefined) this.#forget(oldest);
    return file;
  }

  #forget(digest: string): void {
    const file = this.#files.get(digest);
    this.#files.delete(digest);
    // A read under way is waited for by close itself.
    void file?.then((handle) => handle.close()).catch(() => {});
  }
}
