/**
 * Where a bundle's content comes from, at the console: a file, a directory, a tar, a compressed
 * tar. Each source adds its headers to a judge and afterwards gives content by (entry, offset).
 *
 * What is read may be changing. Each file's identity (device, inode, size, mtime, ctime) is taken
 * when it is listed, compared when it is opened and again when its content has been given, and
 * `check` compares everything once more: a bundle is one state of its source or an error.
 *
 * A compressed tar is expanded into a file without a name: gone with the process, whatever kills
 * it. Expansion counts what comes out and stops at the limit, so a bomb costs at most that much
 * disk and a window of memory; a ratio would tell nothing (200 MB of zeros are 6 KB of zstd).
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { LotcError } from '../base/errors.ts';
import type { ArchiveEntry, ArchiveJudge, EntryHeader } from './archive.ts';
import type { Breath } from './breath.io.ts';
import { listTar } from './tar-list.io.ts';
import { escaped } from './tar-reader.ts';

/** Files up to this size are read at once: five calls on a warm disk, less than one to a thread. */
const AT_ONCE_BYTES = 64 * 1024;
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface BundleSource {
  /** Fills `into` with the entry's content from `offset` on. */
  read(entry: ArchiveEntry, offset: number, into: Uint8Array): Promise<void>;
  /** Throws when the source is no longer what was listed. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** A file, or a directory and everything below it. */
export class TreeSource implements BundleSource {
  /** By the number of the header: path and identity of what it described. */
  readonly #origins: { readonly path: string; readonly identity: string }[] = [];
  readonly #breath: Breath;
  #openHandle: { readonly source: number; readonly handle: FileHandle } | undefined;

  private constructor(breath: Breath) {
    this.#breath = breath;
  }

  static async list(path: string, judge: ArchiveJudge, breath: Breath): Promise<TreeSource> {
    const source = new TreeSource(breath);
    const real = reading(path, () => realpathSync(path));
    const stat = reading(path, () => lstatSync(real, { bigint: true }));
    if (stat.isDirectory()) await source.#walk(real, '', stat, judge);
    else source.#add(real, basename(resolve(path)), stat, judge);
    return source;
  }

  async read(entry: ArchiveEntry, offset: number, into: Uint8Array): Promise<void> {
    const origin = this.#origin(entry.source);
    if (entry.size <= AT_ONCE_BYTES) {
      readAtOnce(origin, offset, into);
      return this.#breath.take();
    }
    const handle = await this.#handle(entry.source);
    await fill(handle, origin.path, offset, into);
    if (offset + into.length === entry.size) await this.#closeHandle();
  }

  async check(): Promise<void> {
    await this.#closeHandle();
    for (const { path, identity } of this.#origins) {
      const stat = rereading(path, () => lstatSync(path, { bigint: true }));
      if (identityOf(stat) !== identity) throw changed(path);
      await this.#breath.take();
    }
  }

  async close(): Promise<void> {
    const open = this.#openHandle;
    this.#openHandle = undefined;
    await open?.handle.close();
  }

  async #walk(real: string, path: string, stat: BigIntStats, judge: ArchiveJudge): Promise<void> {
    // The root has a header too, so that its own change is seen: a name added or removed.
    this.#add(real, path === '' ? './' : path, stat, judge);
    for (const bytes of reading(real, () => readdirSync(real, { encoding: 'buffer' }))) {
      const name = bytes.toString('utf8');
      if (!Buffer.from(name).equals(bytes)) {
        const shown = `${real}/${escaped(bytes)}`;
        throw new LotcError('bad-archive', `"${shown}" has a name that is not UTF-8`);
      }
      const below = `${real}/${name}`;
      const inside = path === '' ? name : `${path}/${name}`;
      const found = rereading(below, () => lstatSync(below, { bigint: true }));
      if (found.isDirectory()) await this.#walk(below, inside, found, judge);
      else this.#add(below, inside, found, judge);
      await this.#breath.take();
    }
  }

  #add(real: string, path: string, stat: BigIntStats, judge: ArchiveJudge): void {
    const kind = kindOf(stat);
    const size = kind === 'file' ? Number(stat.size) : 0;
    const executable = kind === 'file' && (stat.mode & 0o100n) !== 0n;
    const target = kind === 'symlink' ? linkTarget(real) : '';
    judge.add({ path, kind, executable, size, target });
    this.#origins.push({ path: real, identity: identityOf(stat) });
  }

  #origin(source: number): { readonly path: string; readonly identity: string } {
    const origin = this.#origins[source];
    if (origin === undefined) throw new Error('assertion failed: an entry of this source');
    return origin;
  }

  async #handle(source: number): Promise<FileHandle> {
    if (this.#openHandle?.source === source) return this.#openHandle.handle;
    await this.#closeHandle();
    const { path, identity } = this.#origin(source);
    const handle = await open(path, OPEN_FLAGS).catch((cause) => Promise.reject(lost(cause, path)));
    this.#openHandle = { source, handle };
    if (identityOf(await handle.stat({ bigint: true })) !== identity) throw changed(path);
    return handle;
  }

  /** Content that has been given was the listed one only if it still is. */
  async #closeHandle(): Promise<void> {
    const open = this.#openHandle;
    if (open === undefined) return;
    this.#openHandle = undefined;
    const { path, identity } = this.#origin(open.source);
    try {
      if (identityOf(await open.handle.stat({ bigint: true })) !== identity) throw changed(path);
    } finally {
      await open.handle.close();
    }
  }
}

/** An expanded tar; its entries stay where they are in it. */
export class TarSource implements BundleSource {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #identity: string;
  readonly #dataOffsets: number[] = [];

  private constructor(handle: FileHandle, path: string, identity: string) {
    this.#handle = handle;
    this.#path = path;
    this.#identity = identity;
  }

  /** Takes the handle over. Headers only: content is skipped, not read. */
  static async list(handle: FileHandle, path: string, judge: ArchiveJudge): Promise<TarSource> {
    const stat = await handle.stat({ bigint: true });
    const source = new TarSource(handle, path, identityOf(stat));
    await listTar(handle, path, (header, dataOffset) => {
      judge.add(header);
      source.#dataOffsets.push(dataOffset);
    });
    return source;
  }

  read(entry: ArchiveEntry, offset: number, into: Uint8Array): Promise<void> {
    const start = this.#dataOffsets[entry.source];
    if (start === undefined) throw new Error('assertion failed: an entry of this source');
    return fill(this.#handle, this.#path, start + offset, into);
  }

  async check(): Promise<void> {
    const stat = await this.#handle.stat({ bigint: true });
    if (identityOf(stat) !== this.#identity) throw changed(this.#path);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Fills `into` from a place in a file that must be there. */
export async function fill(
  handle: FileHandle,
  path: string,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) throw changed(path);
    done += bytesRead;
  }
}

export function identityOf(stat: BigIntStats): string {
  // The type too, or a link could pass for the file it replaced; an atime is everybody's.
  return [stat.dev, stat.ino, stat.mode, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
}

export function changed(path: string): LotcError {
  return new LotcError('changed-while-read', `${path} changed while it was read`, {
    hint: 'push it again once nothing writes there',
  });
}

function readAtOnce(
  origin: { readonly path: string; readonly identity: string },
  offset: number,
  into: Uint8Array,
): void {
  const { path, identity } = origin;
  const fd = rereading(path, () => openSync(path, OPEN_FLAGS));
  try {
    for (let done = 0; done < into.length; ) {
      const count = readSync(fd, into, done, into.length - done, offset + done);
      if (count === 0) throw changed(path);
      done += count;
    }
    // Once is enough: a difference to the listing shows after the reading, whenever it came.
    if (identityOf(fstatSync(fd, { bigint: true })) !== identity) throw changed(path);
  } finally {
    closeSync(fd);
  }
}

function kindOf(stat: BigIntStats): EntryHeader['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  return stat.isSocket() ? 'socket' : 'device';
}

function linkTarget(path: string): string {
  const bytes = rereading(path, () => readlinkSync(path, { encoding: 'buffer' }));
  const target = bytes.toString('utf8');
  if (Buffer.from(target).equals(bytes)) return target;
  throw new LotcError('bad-archive', `"${path}" is a link to a name that is not UTF-8`);
}

function reading<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw unreadable(cause, path);
  }
}

/** As `reading`, for what has just been seen there. */
function rereading<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw lost(cause, path);
  }
}

/** What was listed and is gone, or is a link now, has changed. */
function lost(cause: unknown, path: string): LotcError {
  if (cause instanceof LotcError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  const gone = code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR' || code === 'ENXIO';
  return gone ? changed(path) : unreadable(cause, path);
}

export function unreadable(cause: unknown, path: string): LotcError {
  if (cause instanceof LotcError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new LotcError('bad-archive', `${path}: no such file or directory`, {
      ...{ cause, hint: 'a bundle is a file, a directory or a tar (.tar, .tar.gz, .tar.zst)' },
    });
  }
  const reason = code === 'EACCES' || code === 'EPERM' ? 'permission denied' : message;
  return new LotcError('io', `cannot read ${path}: ${reason}`, { cause });
}
