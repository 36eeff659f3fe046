/**
 * A bundle's tar → a directory, at the node. The node trusts nobody: it reads and judges the
 * archive itself, whoever sent it and whatever they had judged.
 *
 * The stream is taken as it arrives, so that content is written to the node's disk once. It goes
 * into a fresh directory of mode 0700 beside the place (staging.io.ts); links are made when all
 * files are written and all links are judged. Then the digest is compared, files and directories
 * are synced, and one rename makes it visible: whole or not at all, also after a power cut. What
 * is left is read-only to other users: directories 0755, files 0644 or 0755, owned by whoever runs
 * this; no setuid, no owner, no time of the archive survives.
 *
 * `pause` leaves what has come so far, `resume` goes on with it, also in another process: the
 * archive is made again out of its kept headers (heads.io.ts) and the files, and hashed from its
 * first byte, so that nothing is believed that was not verified. `abort` leaves nothing.
 *
 * It knows neither frames nor runs. What a run sees of it: materialize.io.ts.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { type ArchiveEntry, ArchiveJudge, type Verdict } from './archive.ts';
import { storageError } from './durable.io.ts';
import { Heads } from './heads.io.ts';
import { Staging } from './staging.io.ts';
import { BLOCK_BYTES, type TarEvent, TarReader } from './tar-reader.ts';

const UNFINISHED = '.tmp-unpack';
const HEADS = '.tmp-heads';
const READ_BYTES = 1024 * 1024;

/** Places where an unpacker is at work in this process. */
const busy = new Set<string>();

export interface Unpacked {
  readonly entries: number;
  /** Of all files together. */
  readonly contentBytes: number;
}

/** Calls must not overlap; after an error there is only `pause` or `abort`. */
export class Unpacker {
  readonly #into: string;
  readonly #label: string;
  readonly #staging: Staging;
  readonly #heads: Heads;
  #reader: TarReader;
  #judge: ArchiveJudge;
  #hash: Hash;
  #offset = 0;

  private constructor(into: string, label: string) {
    this.#into = into;
    this.#label = label;
    this.#staging = new Staging(`${into}${UNFINISHED}`);
    this.#heads = new Heads(`${into}${HEADS}`);
    this.#reader = new TarReader(label);
    this.#judge = new ArchiveJudge(label);
    this.#hash = createHash('sha256');
  }

  /** `label` is what errors call the bundle. What a crash left at this place is removed. */
  static async open(into: string, label: string): Promise<Unpacker> {
    return Unpacker.#begin(into, label, (unpacker) => unpacker.#fresh());
  }

  /** Goes on with what is there: `offset` says from where; 0 where it cannot be used. */
  static async resume(into: string, label: string): Promise<Unpacker> {
    const unpacker = await Unpacker.#begin(into, label, async (one) => {
      const heads = await one.#heads.read();
      const there = heads && (await stat(one.#staging.path).catch(() => undefined));
      if (!there) return one.#fresh();
      await one.#heads.begin(await one.#replay(heads));
      return one.#staging.prune();
    }).catch((error: unknown) => {
      if (error instanceof LotcError && error.code === 'busy') throw error;
      return undefined;
    });
    return unpacker ?? Unpacker.open(into, label);
  }

  static async #begin(
    into: string,
    label: string,
    act: (unpacker: Unpacker) => Promise<void>,
  ): Promise<Unpacker> {
    const place = resolve(into);
    if (busy.has(place)) throw new LotcError('busy', `${label} is being unpacked already`);
    busy.add(place);
    const unpacker = new Unpacker(place, label);
    try {
      await act(unpacker);
      return unpacker;
    } catch (cause) {
      await unpacker.abort().catch(() => undefined);
      throw storageError(cause, `cannot unpack ${label}`);
    }
  }

  /** How much has been taken: where an interrupted transfer goes on. */
  get offset(): number {
    return this.#offset;
  }

  /** The chunk may be reused once this resolves. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#offset += chunk.length;
    try {
      let at = 0;
      for (const event of this.#reader.push(chunk)) {
        if (event.kind === 'data') {
          const from = event.bytes.byteOffset - chunk.byteOffset;
          this.#heads.add(chunk.subarray(at, from));
          at = from + event.bytes.length;
        }
        await this.#take(event);
      }
      this.#heads.add(chunk.subarray(at));
      await this.#heads.settle(this.#reader.dataLeft);
    } catch (cause) {
      throw storageError(cause, `cannot unpack ${this.#label}`);
    }
  }

  /** Resolves when the directory is there for good. One that was there already is as good. */
  async finish(digest?: string): Promise<Unpacked> {
    try {
      this.#reader.finish();
      const verdict = this.#judge.finish();
      const actual = `sha256:${this.#hash.digest('hex')}`;
      if (digest !== undefined && digest !== actual) {
        throw new LotcError('damaged', `${this.#label} arrived damaged: its digest is ${actual}`);
      }
      for (const entry of verdict.entries) await this.#staging.complete(entry);
      await this.#staging.publish(this.#into);
      await this.#heads.remove();
      busy.delete(this.#into);
      return unpacked(verdict);
    } catch (cause) {
      throw storageError(cause, `cannot unpack ${this.#label}`);
    }
  }

  /** What has come stays, for `resume`. */
  async pause(): Promise<void> {
    await this.#staging.close();
    await this.#heads.close().catch(() => undefined);
    busy.delete(this.#into);
  }

  /** Nothing is left of it when this resolves. */
  async abort(): Promise<void> {
    await this.#staging.close();
    await this.#heads.remove();
    await rm(this.#staging.path, { recursive: true, force: true });
    busy.delete(this.#into);
  }

  async #fresh(): Promise<void> {
    await this.#staging.clear();
    await this.#heads.begin(0);
  }

  async #take(event: TarEvent): Promise<void> {
    if (event.kind === 'data') return this.#staging.data(event.bytes);
    if (event.kind === 'end') return this.#staging.end();
    const entry = this.#judge.add(event.header);
    if (entry?.kind === 'directory') await this.#staging.directory(entry.path);
    if (entry?.kind === 'file') await this.#staging.begin(entry);
  }

  /** Takes headers and files of an earlier life; how many bytes of the headers were of use. */
  async #replay(heads: Uint8Array): Promise<number> {
    for (let at = 0; at < heads.length; ) {
      const block = heads.subarray(at, at + BLOCK_BYTES - (this.#offset % BLOCK_BYTES));
      at += block.length;
      for (const event of this.#pass(block)) {
        if (event.kind !== 'entry') continue;
        const entry = this.#judge.add(event.header);
        if (entry?.kind === 'directory') await this.#staging.directory(entry.path);
        if (entry?.kind === 'file' && !(await this.#replayFile(entry))) return at;
      }
    }
    return heads.length;
  }

  /** Whether all of the file is there; what is there has been taken. */
  async #replayFile(entry: ArchiveEntry): Promise<boolean> {
    const { path, size } = entry;
    const file = await this.#staging.there(path);
    if (file) {
      try {
        await this.#readBack(file, size);
      } finally {
        await file.close();
      }
    }
    const left = this.#reader.dataLeft;
    if (file && left === 0) await this.#staging.adopt(entry);
    else if (file) await this.#staging.goOn(entry);
    else await this.#staging.begin(entry);
    if (!file && left === 0) await this.#staging.end();
    return left === 0;
  }

  async #readBack(file: FileHandle, sizeBytes: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, sizeBytes));
    for (let at = 0; at < sizeBytes; ) {
      const length = Math.min(buffer.length, sizeBytes - at);
      const { bytesRead } = await file.read(buffer, 0, length, at);
      if (bytesRead === 0) return;
      this.#pass(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  #pass(bytes: Uint8Array): TarEvent[] {
    this.#hash.update(bytes);
    this.#offset += bytes.length;
    return this.#reader.push(bytes);
  }
}

/** Removes what unfinished unpacking left of a bundle that is not wanted any more. */
export async function removeUnfinished(into: string): Promise<void> {
  for (const ending of [UNFINISHED, HEADS]) {
    await rm(`${into}${ending}`, { recursive: true, force: true });
  }
}

/** Removes from a directory of bundles what nobody has gone on with since this wall instant. */
export async function sweepUnfinished(directory: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const ending = [UNFINISHED, HEADS].find((one) => name.endsWith(one));
    if (ending === undefined) continue;
    const into = resolve(directory, name.slice(0, -ending.length));
    if (busy.has(into)) continue;
    const heads = await stat(`${into}${HEADS}`).catch(() => undefined);
    const staged = await stat(`${into}${UNFINISHED}`).catch(() => undefined);
    if (!heads || !staged || heads.mtimeMs < beforeMs) await rm(join(directory, name), FORCE);
  }
}

const FORCE = { recursive: true, force: true } as const;

function unpacked(verdict: Verdict): Unpacked {
  return { entries: verdict.entries.length, contentBytes: verdict.contentBytes };
}
