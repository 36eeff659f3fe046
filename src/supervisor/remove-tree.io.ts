/**
 * rm -r as root on what a user made, without being led astray.
 *
 * Between looking at a name and removing it, a process of that user could put a link there, and
 * root would remove what it points at. Each directory is therefore opened once, without following
 * a link, and its entries are reached only through that descriptor (`/proc/self/fd/N/NAME`), as
 * openat(2) and unlinkat(2) would. A tree deeper than `DEPTH_MAX` is hung up at the top before it
 * is removed, so neither the depth nor the number of open descriptors is the user's choice.
 *
 * What is small is removed in this thread, a few milliseconds at a time: a run that goes for good
 * has some ten entries, and handing each call to a thread of the pool cost ten times what the calls
 * do. A large file is what the kernel takes its time for, so that is left to such a thread.
 */
import {
  closeSync,
  constants,
  type Dir,
  fchmodSync,
  lstatSync,
  opendirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { unlink } from 'node:fs/promises';
import { slices } from './proc.io.ts';

const DEPTH_MAX = 32;
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const LARGE_BYTES = 1024 * 1024;

interface Top {
  readonly path: string;
  /** Names at the top still to be removed; deep directories join them. */
  readonly pending: string[];
  readonly breathe: () => Promise<void> | undefined;
  hung: number;
}

/** Removes `name` in `parent`, which only the agent can write to; nothing there is success. */
export async function removeTree(parent: string, name: string): Promise<void> {
  const fd = openSync(parent, FLAGS);
  try {
    const path = `/proc/self/fd/${fd}`;
    const top: Top = { path, pending: [name], breathe: slices(), hung: 0 };
    for (let next = top.pending.pop(); next !== undefined; next = top.pending.pop()) {
      await removeEntry(top, `${path}/${next}`, 0);
    }
  } finally {
    closeSync(fd);
  }
}

async function removeEntry(top: Top, path: string, depth: number): Promise<void> {
  const pause = top.breathe();
  if (pause !== undefined) await pause;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory() && (await removeFile(path, found.size >= LARGE_BYTES))) return;
  if (depth >= DEPTH_MAX) {
    const name = `deep.${process.pid}.${top.hung}`;
    top.hung += 1;
    renameSync(path, `${top.path}/${name}`);
    top.pending.push(name);
    return;
  }
  const fd = openSync(path, FLAGS);
  try {
    // Its user may have taken its own right to list it; only an agent without root minds.
    fchmodSync(fd, 0o700);
    await removeContent(top, `/proc/self/fd/${fd}`, depth);
  } finally {
    closeSync(fd);
  }
  rmdirSync(path);
}

/** False: there is a directory now. */
async function removeFile(path: string, isLarge: boolean): Promise<boolean> {
  try {
    if (isLarge) await unlink(path);
    else unlinkSync(path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EISDIR' || code === 'EPERM') return false;
    throw cause;
  }
}

async function removeContent(top: Top, path: string, depth: number): Promise<void> {
  // Some file systems pass over entries when others are removed during a listing: list until none.
  for (let left = true; left; ) {
    left = false;
    const directory: Dir = opendirSync(path);
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        left = true;
        await removeEntry(top, `${path}/${entry.name}`, depth + 1);
      }
    } finally {
      directory.closeSync();
    }
  }
}
