/**
 * A tar of result files → files below a directory, as it arrives: each entry that is safe
 * (loose.ts) is written, others are named. No link is ever made or followed below the directory,
 * so nothing can be written outside of it; a file that is there already is written anew. The
 * digest is judged at the end: what does not match is an error, whatever has been written.
 *
 * Files are written by calls that wait: a result of a hundred thousand small files takes a tenth
 * of the time, and a console has nobody else to serve.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { storageError } from './durable.io.ts';
import { looseFault, partsOf } from './loose.ts';
import { type TarEvent, TarReader } from './tar-reader.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

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
  /** A descriptor. */
  #file: number | undefined;
  #files = 0;

  private constructor(into: string) {
    this.#into = into;
  }

  /** The directory is made where it is not there. */
  static open(into: string): LooseUnpacker {
    try {
      mkdirSync(into, { recursive: true });
    } catch (cause) {
      throw storageError(cause, `cannot make ${into}`);
    }
    return new LooseUnpacker(into);
  }

  write(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    for (const event of this.#reader.push(chunk)) this.#take(event);
  }

  finish(digest: string): LooseFiles {
    this.close();
    this.#reader.finish();
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual !== digest) {
      throw new LotcError('damaged', `the result files arrived damaged: their digest is ${actual}`);
    }
    return { files: this.#files, skipped: this.#skipped };
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }

  #take(event: TarEvent): void {
    if (event.kind === 'end') return this.close();
    if (event.kind === 'data') return this.#data(event.bytes);
    const { header } = event;
    const path = partsOf(header.path).join('/');
    const fault =
      looseFault(header) ?? (this.#seen.has(path) ? 'it stands there twice' : undefined);
    this.#seen.add(path);
    if (fault !== undefined) this.#skipped.push(`${header.path}: ${fault}`);
    else if (header.kind === 'file') this.#begin(path, header.executable);
    else this.#directory(path);
  }

  #data(bytes: Uint8Array): void {
    if (this.#file === undefined) return;
    try {
      writeFileSync(this.#file, bytes);
    } catch (cause) {
      throw storageError(cause, `cannot write into ${this.#into}`);
    }
  }

  #begin(path: string, executable: boolean): void {
    const parent = path.split('/').slice(0, -1).join('/');
    if (!this.#directory(parent)) {
      this.#skipped.push(`${path}: something that is no directory stands in its way`);
      return;
    }
    const place = join(this.#into, path);
    try {
      this.#file = openFile(place, executable ? 0o777 : 0o666);
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (!['ELOOP', 'EISDIR', 'ENXIO', 'EEXIST', 'ENOTDIR', 'ENAMETOOLONG'].includes(code))
        throw storageError(cause, `cannot write ${place}`);
    }
    if (this.#file !== undefined) this.#files += 1;
    else this.#skipped.push(`${path}: something that is no file stands in its place`);
  }

  /** Name by name: a link in the way is never followed. */
  #directory(path: string): boolean {
    if (path === '' || this.#made.has(path)) return true;
    const parent = path.split('/').slice(0, -1).join('/');
    if (!this.#directory(parent)) return false;
    const place = join(this.#into, path);
    try {
      mkdirSync(place);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw storageError(cause, `cannot make ${place}`);
      if (!lstatSync(place).isDirectory()) return false;
    }
    this.#made.add(path);
    return true;
  }
}

/** An empty file to write to, new or emptied; undefined where something else stands there. */
function openFile(place: string, mode: number): number | undefined {
  const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(place, flags | O_EXCL, mode);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  }
  const file = openSync(place, flags, mode);
  if (fstatSync(file).isFile()) {
    ftruncateSync(file, 0);
    return file;
  }
  closeSync(file);
  return undefined;
}
