/**
 * A tar of result files → files below a directory, as it arrives: each entry that is safe
 * (loose.ts) is written, others are named. No link is ever made or followed below the directory,
 * so nothing can be written outside of it; a file that is there already is written anew. The
 * digest is judged at the end: what does not match is an error, whatever has been written.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { storageError } from './durable.io.ts';
import { looseFault, partsOf } from './loose.ts';
import { type TarEvent, TarReader } from './tar-reader.ts';

const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

export interface LooseFiles {
  readonly files: number;
  /** `PATH: why`, of each entry that was left out. */
  readonly skipped: readonly string[];
}

export class LooseUnpacker {
  readonly #into: string;
  readonly #reader = new TarReader('the archive of result files');
  readonly #hash: Hash = createHash('sha256');
  readonly #made = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #skipped: string[] = [];
  #file: FileHandle | undefined;
  #files = 0;

  private constructor(into: string) {
    this.#into = into;
  }

  /** The directory is made where it is not there. */
  static async open(into: string): Promise<LooseUnpacker> {
    await mkdir(into, { recursive: true }).catch((cause: unknown) => {
      throw storageError(cause, `cannot make ${into}`);
    });
    return new LooseUnpacker(into);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    for (const event of this.#reader.push(chunk)) await this.#take(event);
  }

  async finish(digest: string): Promise<LooseFiles> {
    await this.close();
    this.#reader.finish();
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual !== digest) {
      throw new LotcError('damaged', `the result files arrived damaged: their digest is ${actual}`);
    }
    return { files: this.#files, skipped: this.#skipped };
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #take(event: TarEvent): Promise<void> {
    if (event.kind === 'end') return this.close();
    if (event.kind === 'data') {
      await this.#file?.writeFile(event.bytes).catch((cause: unknown) => {
        throw storageError(cause, `cannot write into ${this.#into}`);
      });
      return;
    }
    const { header } = event;
    const path = partsOf(header.path).join('/');
    const fault =
      looseFault(header) ?? (this.#seen.has(path) ? 'it stands there twice' : undefined);
    this.#seen.add(path);
    if (fault !== undefined) this.#skipped.push(`${header.path}: ${fault}`);
    else if (header.kind === 'file') await this.#begin(path, header.executable);
    else await this.#directory(path);
  }

  async #begin(path: string, executable: boolean): Promise<void> {
    const parent = path.split('/').slice(0, -1).join('/');
    if (!(await this.#directory(parent))) {
      this.#skipped.push(`${path}: something that is no directory stands in its way`);
      return;
    }
    const place = join(this.#into, path);
    const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    try {
      const file = await open(place, flags, executable ? 0o777 : 0o666);
      if ((await file.stat()).isFile()) {
        await file.truncate(0);
        this.#file = file;
        this.#files += 1;
        return;
      }
      await file.close();
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (!['ELOOP', 'EISDIR', 'ENXIO', 'EEXIST', 'ENOTDIR', 'ENAMETOOLONG'].includes(code))
        throw storageError(cause, `cannot write ${place}`);
    }
    this.#skipped.push(`${path}: something that is no file stands in its place`);
  }

  /** Name by name: a link in the way is never followed. */
  async #directory(path: string): Promise<boolean> {
    if (path === '' || this.#made.has(path)) return true;
    const parent = path.split('/').slice(0, -1).join('/');
    if (!(await this.#directory(parent))) return false;
    const place = join(this.#into, path);
    try {
      await mkdir(place);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw storageError(cause, `cannot make ${place}`);
      if (!(await lstat(place)).isDirectory()) return false;
    }
    this.#made.add(path);
    return true;
  }
}
