/**
 * One blob on its way in: gathered into slabs, hashed as it passes, verified at its end. Who reads
 * along is given the slabs themselves (recent-slabs.ts), or what is in the file already.
 */

import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assert } from '../base/assert.ts';
import { blockBytes, giveBlock, takeBlock } from '../base/blocks.ts';
import { LotcError } from '../base/errors.ts';
import { storageError, syncDirectory } from './durable.io.ts';
import { type Part, RecentSlabs, type Slab } from './recent-slabs.ts';

/** The kernel is told to start writing after so much, so that the last sync is a short one. */
const flushEveryBytes = 64 << 20;

export interface BlobUpload {
  /** Bytes that are there: the next chunk begins here. */
  readonly have: number;
  /** Resolves when there is room for more: a sender that waits for it is never buffered. */
  write(offset: number, chunk: Uint8Array): Promise<void>;
  /** Durable and verified when it resolves; content that does not match is removed. */
  finish(): Promise<void>;
  /** Ends without finishing; what is there can be gone on with. */
  abandon(): Promise<void>;
}

export interface UploadOptions {
  readonly path: string;
  readonly partial: string;
  readonly digest: string;
  readonly bytes: number;
  readonly onEnd: () => void;
}

export class FileUpload implements BlobUpload {
  readonly #options: UploadOptions;
  #hash: Hash = createHash('sha256');
  #file: FileHandle | undefined;
  #have = 0;
  readonly #recent = new RecentSlabs();
  /** The one being gathered, while the one before it is written. */
  #slab: Slab | undefined;
  /** Where the next slab begins; up to there content has been hashed, and can be read. */
  #readable = 0;
  #writing: Promise<void> = Promise.resolve();
  #flushing: Promise<void> = Promise.resolve();
  #flushedBytes = 0;
  #growth: PromiseWithResolvers<void> | undefined;
  #failure: LotcError | undefined;
  #ended = false;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  get have(): number {
    return this.#have;
  }

  get bytes(): number {
    return this.#options.bytes;
  }

  async begin(): Promise<void> {
    const { path, partial, bytes } = this.#options;
    const complete = await stat(path).catch(() => undefined);
    if (complete?.size === bytes) {
      this.#have = bytes;
      this.#ended = true;
      this.#options.onEnd();
      return;
    }
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    this.#file = await open(partial, flags, 0o600);
    try {
      await this.#resume(this.#file);
    } catch (error) {
      await this.#file.close();
      throw error;
    }
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    assert(!this.#ended, 'an upload that ended takes no bytes');
    if (offset !== this.#have || offset + chunk.length > this.#options.bytes) {
      const text = `bytes ${offset} to ${offset + chunk.length} do not follow byte ${this.#have}`;
      throw new LotcError('failed', `${this.#options.digest}: ${text} of ${this.#options.bytes}`);
    }
    this.#have += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const slab = (this.#slab ??= this.#recent.next(this.#readable));
      const part = chunk.subarray(at, at + slab.bytes.length - slab.length);
      slab.bytes.set(part, slab.length);
      slab.length += part.length;
      at += part.length;
      if (slab.length === slab.bytes.length) await this.#writeSlab();
    }
  }

  async finish(): Promise<void> {
    const { path, partial, digest, bytes } = this.#options;
    if (this.#ended) {
      if (this.#have === bytes && !this.#failure) return;
      throw this.#failure ?? new LotcError('failed', `the upload of ${digest} was abandoned`);
    }
    try {
      await this.#writeSlab();
      await this.#settled();
      if (this.#failure) throw this.#failure;
      if (this.#have !== bytes) {
        throw new LotcError('failed', `${digest} has ${this.#have} bytes of ${bytes}`);
      }
      const found = this.#hash.digest('hex');
      if (found !== digest) {
        await rm(partial, { force: true });
        throw new LotcError('bad-archive', `the content of ${digest} is ${found}`, {
          hint: 'send it again',
        });
      }
      await this.#file?.sync();
      await rename(partial, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      throw storageError(error, `cannot store ${digest}`);
    } finally {
      await this.#close();
    }
  }

  async abandon(): Promise<void> {
    if (this.#ended) return;
    await this.#writeSlab().catch(() => {});
    await this.#close();
  }

  /**
   * For those who read while it arrives: some bytes from `offset` on, as soon as there are any.
   * Undefined: the upload has ended, well or not. What is read is not verified yet.
   */
  async follow(offset: number): Promise<Part | undefined> {
    while (!this.#ended && this.#readable <= offset) {
      this.#growth ??= Promise.withResolvers<void>();
      await this.#growth.promise;
    }
    const file = this.#file;
    if (this.#ended || !file) return undefined;
    return this.#recent.read(offset) ?? readPart(file, offset, this.#readable);
  }

  async #resume(file: FileHandle): Promise<void> {
    const there = (await file.stat()).size;
    if (there > this.#options.bytes) {
      await file.truncate(0);
      return;
    }
    while (this.#readable < there) {
      const part = await readPart(file, this.#readable, there);
      const { length } = part.bytes;
      this.#hash.update(part.bytes);
      part.release();
      this.#readable += length;
      if (length === 0) break;
    }
    this.#have = this.#readable;
  }

  /** Hashes and hands on what is gathered; waits only for the slab before it. */
  async #writeSlab(): Promise<void> {
    const slab = this.#slab;
    if (!slab) return;
    this.#hash.update(slab.bytes.subarray(0, slab.length));
    await this.#writing;
    if (this.#failure) throw this.#failure;
    this.#slab = undefined;
    this.#readable = slab.at + slab.length;
    this.#writing = this.#put(slab);
    this.#grown();
  }

  async #put({ bytes, at, length }: Slab): Promise<void> {
    try {
      for (let done = 0; done < length; ) {
        const rest = length - done;
        done += (await this.#file?.write(bytes, done, rest, at + done))?.bytesWritten ?? rest;
      }
      if (at + length - this.#flushedBytes >= flushEveryBytes) await this.#flush(at + length);
    } catch (error) {
      this.#failure ??= storageError(error, `cannot store ${this.#options.digest}`);
    }
  }

  /** One flush at a time: the writer waits when the disk is a whole one behind. */
  async #flush(upTo: number): Promise<void> {
    this.#flushedBytes = upTo;
    await this.#flushing;
    this.#flushing = (this.#file?.datasync() ?? Promise.resolve()).catch((error: unknown) => {
      this.#failure ??= storageError(error, `cannot store ${this.#options.digest}`);
    });
  }

  #grown(): void {
    this.#growth?.resolve();
    this.#growth = undefined;
  }

  async #settled(): Promise<void> {
    await this.#writing;
    await this.#flushing;
  }

  async #close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#settled();
    this.#recent.close();
    await this.#file?.close();
    this.#options.onEnd();
    this.#grown();
  }
}

/** One block at most, as far as there is content before `end`. */
async function readPart(file: FileHandle, offset: number, end: number): Promise<Part> {
  const block = takeBlock();
  const length = Math.min(blockBytes, end - offset);
  const { bytesRead } = await file.read(block, 0, length, offset);
  return { bytes: block.subarray(0, bytesRead), release: () => giveBlock(block) };
}
