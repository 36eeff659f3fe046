/**
 * Files of a directory that a stranger owns, into one tar: those that globs take, in order of
 * their paths, the same bytes for the same files (tar-layout.ts). What cannot be taken is named
 * with the reason, and the rest is taken all the same.
 *
 * The directory is somebody else's and may change under us, links included, while we are root. So
 * nothing is opened by a name that is trusted: a name is resolved to a descriptor that can do
 * nothing (O_PATH), the kernel is asked where and what that is, and only a regular file inside is
 * then opened, through the descriptor. A link is followed where it ends inside, as the file it
 * means; a device, a pipe or a file elsewhere is never opened, whatever pointed there. A file with
 * another name somewhere (a hard link) is taken from its owner's run only.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { PathGlobs } from '../base/path-glob.ts';
import { Breath } from './breath.io.ts';
import { storageError, syncDirectory } from './durable.io.ts';
import { TarFile } from './tar-file.io.ts';
import { BLOCK_BYTES, escaped } from './tar-reader.ts';

/** open(2): to know where a name leads without touching what is there. */
const O_PATH = 0o10000000;

export interface CollectOptions {
  readonly directory: string;
  readonly globs: readonly string[];
  /** Where the tar goes; it appears whole or not at all. */
  readonly into: string;
  /** Instead of the limit of that name. */
  readonly resultBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CollectedFiles {
  /** `sha256:…`; undefined: no file was taken, and there is no tar. */
  readonly digest: string | undefined;
  readonly sizeBytes: number;
  readonly files: number;
  readonly skipped: readonly string[];
}

interface Candidate {
  readonly path: string;
  readonly stat: Stats;
}

export async function collectFiles(options: CollectOptions): Promise<CollectedFiles> {
  const finder = new Finder(options);
  const { taken, skipped } = await finder.find();
  const temporary = `${options.into}.tmp`;
  try {
    const none = { digest: undefined, sizeBytes: 0, files: 0, skipped };
    if (taken.length === 0) return none;
    await expectRoom(options.into, taken);
    const tar = new TarFile(await open(temporary, 'w', 0o600));
    try {
      for (const one of taken) await add(tar, one, finder, skipped);
      if (tar.files === 0) return none;
      const digest = await tar.finish();
      await rename(temporary, options.into);
      await syncDirectory(dirname(options.into));
      return { digest, sizeBytes: tar.sizeBytes, files: tar.files, skipped };
    } finally {
      await tar.close();
    }
  } catch (cause) {
    throw storageError(cause, 'cannot keep the result files');
  } finally {
    await rm(temporary, { force: true });
    finder.close();
  }
}

async function add(tar: TarFile, one: Candidate, finder: Finder, skipped: string[]): Promise<void> {
  const { path, stat } = one;
  const fd = finder.reopen(one);
  if (fd === undefined) {
    skipped.push(`${path}: it went while it was read`);
    return;
  }
  try {
    const executable = (stat.mode & 0o100) !== 0;
    const file = { path, executable, size: stat.size };
    const whole = await tar.add(file, fd, () => finder.breathe());
    const now = fstatSync(fd);
    if (!whole || now.size !== stat.size || now.mtimeMs !== stat.mtimeMs)
      skipped.push(`${path}: it changed while it was read; what is kept is not one state of it`);
  } finally {
    closeSync(fd);
  }
}

/** The last of the disk is the agent's own, or it could not say what has happened. */
async function expectRoom(into: string, taken: readonly Candidate[]): Promise<void> {
  const bytes = taken.reduce((sum, { stat }) => sum + stat.size + BLOCK_BYTES, 0);
  const { bavail, bsize } = await statfs(dirname(into));
  if (bavail * bsize - bytes >= 2 * limits.agentReserveBytes) return;
  throw new LotcError('disk-full', 'cannot keep the result files: no space left on the device');
}

/** Looks for files, and opens what it found. */
class Finder {
  readonly #globs: PathGlobs;
  readonly #breath: Breath;
  readonly #bytesMax: number;
  readonly #root: number;
  /** Where the root is, as the kernel says. */
  readonly #real: string;
  readonly #owner: number;
  readonly #found: Candidate[] = [];
  readonly #skipped: string[] = [];
  #looked = 0;

  constructor({ directory, globs, signal, resultBytes }: CollectOptions) {
    this.#globs = new PathGlobs(globs);
    this.#breath = new Breath(signal);
    this.#bytesMax = resultBytes ?? limits.resultBytes;
    this.#root = openSync(directory, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    this.#real = placeOf(this.#root);
    this.#owner = fstatSync(this.#root).uid;
  }

  close(): void {
    closeSync(this.#root);
  }

  async find(): Promise<{ readonly taken: readonly Candidate[]; readonly skipped: string[] }> {
    await this.#walk(this.#root, '', 0);
    this.#found.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    const taken: Candidate[] = [];
    let bytes = 2 * BLOCK_BYTES;
    for (const one of this.#found) {
      const more = 3 * BLOCK_BYTES + one.path.length + one.stat.size;
      if (taken.length >= limits.archiveEntries) this.#skip(one.path, 'there are too many files');
      else if (bytes + more > this.#bytesMax) this.#skip(one.path, 'it is too large for one run');
      else {
        bytes += more;
        taken.push(one);
      }
    }
    return { taken, skipped: this.#skipped };
  }

  /** The file again, to be read; undefined where another thing stands there now. */
  reopen({ path, stat }: Candidate): number | undefined {
    const found = attempt(() => openSync(`/proc/self/fd/${this.#root}/${path}`, O_PATH));
    if (found === undefined) return undefined;
    try {
      const now = fstatSync(found);
      if (now.ino !== stat.ino || now.dev !== stat.dev || !now.isFile()) return undefined;
      return attempt(() => openSync(`/proc/self/fd/${found}`, constants.O_RDONLY));
    } finally {
      closeSync(found);
    }
  }

  breathe(): Promise<void> {
    return this.#breath.take();
  }

  async #walk(fd: number, path: string, depth: number): Promise<void> {
    const names = attempt(() => readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })) ?? [];
    for (const bytes of names) {
      await this.#breath.take();
      const name = bytes.toString('utf8');
      const inside = path === '' ? name : `${path}/${name}`;
      const fault = nameFault(bytes, name, inside);
      if (fault !== undefined) {
        if (this.#globs.takes(inside)) this.#skip(`${path}/${escaped(bytes)}`, fault);
        continue;
      }
      this.#looked += 1;
      if (this.#looked > 10 * limits.archiveEntries) return;
      await this.#look(fd, name, inside, depth);
    }
  }

  async #look(fd: number, name: string, path: string, depth: number): Promise<void> {
    const flags = O_PATH | constants.O_NOFOLLOW;
    let found = attempt(() => openSync(`/proc/self/fd/${fd}/${name}`, flags));
    if (found === undefined) return;
    try {
      let stat = fstatSync(found);
      if (stat.isDirectory()) {
        if (!this.#globs.leadsInto(path)) return;
        if (depth < limits.archiveDepth) return await this.#walk(found, path, depth + 1);
        return this.#skip(path, 'it lies too deep');
      }
      if (!this.#globs.takes(path)) return;
      if (stat.isSymbolicLink()) {
        const meant = attempt(() => openSync(`/proc/self/fd/${fd}/${name}`, O_PATH));
        if (meant === undefined) return this.#skip(path, 'it is a link to nothing');
        closeSync(found);
        found = meant;
        stat = fstatSync(found);
        if (!placeOf(found).startsWith(`${this.#real}/`))
          return this.#skip(path, 'it is a link out of the directory of the run');
        if (stat.isDirectory()) return this.#skip(path, 'it is a link to a directory');
      }
      this.#take(path, stat);
    } finally {
      closeSync(found);
    }
  }

  #take(path: string, stat: Stats): void {
    if (!stat.isFile()) this.#skip(path, 'it is no file');
    else if (stat.nlink > 1 && stat.uid !== this.#owner)
      this.#skip(path, 'it is a file of somebody else, or of its bundle');
    else this.#found.push({ path, stat });
  }

  #skip(path: string, why: string): void {
    this.#skipped.push(`${path}: ${why}`);
  }
}

function nameFault(bytes: Uint8Array, name: string, path: string): string | undefined {
  if (!Buffer.from(name).equals(bytes)) return 'its name is not UTF-8';
  if (/\p{Cc}/u.test(name)) return 'its name has a control character';
  return Buffer.byteLength(path) > limits.archivePathBytes ? 'its path is too long' : undefined;
}

const placeOf = (fd: number): string => readlinkSync(`/proc/self/fd/${fd}`);

/** Undefined where it cannot be: gone, a link, not ours. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'EIO') throw cause;
    return undefined;
  }
}
