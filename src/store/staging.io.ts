/**
 * A directory that is being filled, beside the place it will have: files, directories and links of
 * an archive whose judge has let them pass. It knows no tar and judges nothing.
 *
 * Files are created exclusively and never through a link, because links are made last. What is in
 * it when its process dies can be gone on with: `adopt` takes over a file that is whole, `goOn`
 * one that is not, and `prune` removes whatever is of no known entry.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { ArchiveEntry } from './archive.ts';
import { syncDirectory } from './durable.io.ts';
import { Background, FileWriter } from './file-writer.io.ts';

export class Staging {
  readonly path: string;
  readonly #directories = new Set<string>();
  readonly #files = new Set<string>();
  readonly #background = new Background();
  #file: FileWriter | undefined;

  constructor(path: string) {
    this.path = path;
  }

  async clear(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    await mkdir(this.path, { mode: 0o700 });
  }

  async directory(path: string): Promise<void> {
    if (path === '.' || this.#directories.has(path)) return;
    await this.directory(dirname(path));
    await mkdir(join(this.path, path), { mode: 0o700 }).catch(unlessThere);
    this.#directories.add(path);
  }

  async begin(entry: ArchiveEntry): Promise<void> {
    await this.directory(dirname(entry.path));
    this.#files.add(entry.path);
    this.#file = new FileWriter(join(this.path, entry.path), options(entry));
  }

  /** A file whose first bytes are there. */
  async goOn(entry: ArchiveEntry): Promise<void> {
    this.#files.add(entry.path);
    this.#file = new FileWriter(join(this.path, entry.path), {
      ...options(entry),
      goOn: true,
    });
  }

  /** A file all of whose bytes are there; whether they are on disk, and its mode, is not known. */
  async adopt(entry: ArchiveEntry): Promise<void> {
    this.#files.add(entry.path);
    const { mode } = options(entry);
    await this.#background.add(() => settle(join(this.path, entry.path), mode), 0);
  }

  async data(bytes: Uint8Array): Promise<void> {
    await this.#file?.write(bytes);
  }

  async end(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.end(this.#background);
  }

  /** What had to wait for the whole list: links, whose targets are judged by now. */
  async complete(entry: ArchiveEntry): Promise<void> {
    if (entry.kind === 'file') return;
    if (entry.kind === 'directory') return this.directory(entry.path);
    await this.directory(dirname(entry.path));
    await symlink(entry.target, join(this.path, entry.path));
  }

  /** Opens a file for reading what is there of it; undefined where there is nothing. */
  async there(path: string): Promise<FileHandle | undefined> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
    return open(join(this.path, path), flags).catch(() => undefined);
  }

  /** Removes what nothing of the above was told of. */
  async prune(): Promise<void> {
    for (const found of await readdir(this.path, { recursive: true, withFileTypes: true })) {
      const path = relative(this.path, join(found.parentPath, found.name));
      const known = found.isDirectory() ? this.#directories : this.#files;
      if (!known.has(path)) await rm(join(this.path, path), { recursive: true, force: true });
    }
  }

  /** Resolves when everything is on disk and at `into`, for good. */
  async publish(into: string): Promise<void> {
    await this.#background.drain();
    for (const path of this.#directories) {
      await this.#background.add(() => settle(join(this.path, path), 0o755), 0);
    }
    await this.#background.drain();
    await settle(this.path, 0o755);
    try {
      await rename(this.path, into);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw cause;
      await rm(this.path, { recursive: true, force: true });
    }
    await syncDirectory(dirname(into));
  }

  /** Nothing is written any more when this resolves. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await this.#background.drain().catch(() => {});
  }
}

function options(entry: ArchiveEntry): { readonly mode: number; readonly sizeBytes: number } {
  return { mode: entry.executable ? 0o755 : 0o644, sizeBytes: entry.size };
}

function unlessThere(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'EEXIST') throw cause;
}

async function settle(path: string, mode: number): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
