/**
 * A bundle's tar → a directory, at the node. The node trusts nobody: it reads and judges the
 * archive itself, whoever sent it and whatever they had judged.
 *
 * Everything goes into a fresh directory of mode 0700 beside the place; each file is created
 * exclusively, never through a link, because links are made when all files are written and all
 * links are judged. Then the digest is compared, files and directories are synced, and one rename
 * makes it visible: whole or not at all, also after a power cut. Any error removes what was made.
 *
 * `Unpacker` takes the stream as it arrives, so that a large bundle is written to the node's disk
 * once, not twice; `unpackBundle` does it from a file. What it leaves is read-only to other users:
 * directories 0755, files 0644 or 0755, owned by whoever runs this; no setuid, no owner, no time
 * of the archive survives.
 *
 * It knows neither frames nor runs. What a run sees of it: materialize.io.ts.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, statfs, symlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { type ArchiveEntry, ArchiveJudge, type Verdict } from './archive.ts';
import { storageError, syncDirectory } from './durable.io.ts';
import { Background, FileWriter } from './file-writer.io.ts';
import { listTar } from './tar-list.io.ts';
import { type TarEvent, TarReader } from './tar-reader.ts';

const UNFINISHED = '.tmp-unpack';
const READ_BYTES = 1024 * 1024;

/** Places where an unpacker is at work in this process. */
const busy = new Set<string>();

export interface Unpacked {
  readonly entries: number;
  /** Of all files together. */
  readonly contentBytes: number;
}

/** Calls must not overlap; after an error there is only `abort`, which is safe at any time. */
export class Unpacker {
  readonly #into: string;
  readonly #label: string;
  readonly #fresh: string;
  readonly #reader: TarReader;
  readonly #judge: ArchiveJudge;
  readonly #hash = createHash('sha256');
  readonly #directories = new Set<string>();
  readonly #background = new Background();
  #file: FileWriter | undefined;
  #offset = 0;

  private constructor(into: string, label: string) {
    this.#into = into;
    this.#label = label;
    this.#fresh = `${into}${UNFINISHED}`;
    this.#reader = new TarReader(label);
    this.#judge = new ArchiveJudge(label);
  }

  /** `label` is what errors call the bundle. What a crash left at this place is removed. */
  static async open(into: string, label: string): Promise<Unpacker> {
    const place = resolve(into);
    if (busy.has(place)) throw new LotcError('busy', `${label} is being unpacked already`);
    busy.add(place);
    const unpacker = new Unpacker(place, label);
    try {
      await rm(unpacker.#fresh, { recursive: true, force: true });
      await mkdir(unpacker.#fresh, { mode: 0o700 });
    } catch (cause) {
      busy.delete(place);
      throw storageError(cause, `cannot unpack ${label}`);
    }
    return unpacker;
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
      for (const event of this.#reader.push(chunk)) await this.#take(event);
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
      for (const entry of verdict.entries) await this.#complete(entry);
      await this.#background.drain();
      await this.#publish();
      return unpacked(verdict);
    } catch (cause) {
      throw storageError(cause, `cannot unpack ${this.#label}`);
    }
  }

  /** Nothing is left of it when this resolves. */
  async abort(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await this.#background.drain().catch(() => {});
    await rm(this.#fresh, { recursive: true, force: true });
    busy.delete(this.#into);
  }

  async #take(event: TarEvent): Promise<void> {
    if (event.kind === 'data') return this.#file?.write(event.bytes);
    if (event.kind === 'end') {
      const file = this.#file;
      this.#file = undefined;
      return file?.end(this.#background);
    }
    const entry = this.#judge.add(event.header);
    if (entry === undefined) return;
    if (entry.kind === 'directory') await this.#ensureDirectory(entry.path);
    if (entry.kind !== 'file') return;
    await this.#ensureDirectory(dirname(entry.path));
    const mode = entry.executable ? 0o755 : 0o644;
    this.#file = new FileWriter(join(this.#fresh, entry.path), { mode, sizeBytes: entry.size });
  }

  async #ensureDirectory(path: string): Promise<void> {
    if (path === '.' || this.#directories.has(path)) return;
    await this.#ensureDirectory(dirname(path));
    await mkdir(join(this.#fresh, path), { mode: 0o700 });
    this.#directories.add(path);
  }

  /** What had to wait for the whole list: links, whose targets are judged by now. */
  async #complete(entry: ArchiveEntry): Promise<void> {
    if (entry.kind === 'file') return;
    if (entry.kind === 'directory') return this.#ensureDirectory(entry.path);
    await this.#ensureDirectory(dirname(entry.path));
    await symlink(entry.target, join(this.#fresh, entry.path));
  }

  async #publish(): Promise<void> {
    for (const path of this.#directories) {
      await this.#background.add(() => openDirectory(join(this.#fresh, path)), 0);
    }
    await this.#background.drain();
    await openDirectory(this.#fresh);
    try {
      await rename(this.#fresh, this.#into);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw cause;
      await rm(this.#fresh, { recursive: true, force: true });
    }
    await syncDirectory(dirname(this.#into));
    busy.delete(this.#into);
  }
}

export interface UnpackOptions {
  /** `sha256:…` over the tar; compared while it is read. */
  readonly digest?: string | undefined;
  /** What errors call the bundle; its path where nothing better is known. */
  readonly label?: string | undefined;
}

/** All headers are judged before the first byte is written. An existing `into` is success. */
export async function unpackBundle(
  tarPath: string,
  into: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const label = options.label ?? tarPath;
  const handle = await open(tarPath, constants.O_RDONLY | constants.O_NOFOLLOW).catch((cause) =>
    Promise.reject(storageError(cause, `cannot read ${label}`)),
  );
  try {
    const judge = new ArchiveJudge(label);
    await listTar(handle, label, (header) => judge.add(header));
    const verdict = judge.finish();
    if (await exists(into)) return unpacked(verdict);
    await expectRoom(into, verdict.contentBytes, label);
    const unpacker = await Unpacker.open(into, label);
    try {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, unpacker.offset);
        if (bytesRead === 0) return await unpacker.finish(options.digest);
        await unpacker.write(buffer.subarray(0, bytesRead));
      }
    } catch (cause) {
      await unpacker.abort();
      throw cause;
    }
  } finally {
    await handle.close();
  }
}

/** Removes what a crash left of unfinished unpacking in a directory of bundles. */
export async function sweepUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const unfinished = name.endsWith(UNFINISHED);
    const working = busy.has(resolve(directory, basename(name, UNFINISHED)));
    if (unfinished && !working) await rm(join(directory, name), { recursive: true, force: true });
  }
}

function unpacked(verdict: Verdict): Unpacked {
  return { entries: verdict.entries.length, contentBytes: verdict.contentBytes };
}

/** An early no is cheaper than a late one; the late one is still there. */
async function expectRoom(into: string, contentBytes: number, label: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(resolve(into)));
  if (bavail * bsize >= contentBytes) return;
  throw new LotcError('disk-full', `cannot unpack ${label}: no space left on the device`, {
    hint: 'free space there; nothing else has to be done',
  });
}

async function openDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.chmod(0o755);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw storageError(cause, `cannot look at ${path}`);
  }
}
