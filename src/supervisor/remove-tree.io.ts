/**
 * rm -r as root on what a user made, without being led astray.
 *
 * Between looking at a name and removing it, a process of that user could put a link there, and
 * root would remove what it points at. Each directory is therefore opened once, without following
 * a link, and its entries are reached only through that descriptor (`/proc/self/fd/N/NAME`), as
 * openat(2) and unlinkat(2) would. A tree deeper than `DEPTH_MAX` is hung up at the top before it
 * is removed, so neither the depth nor the number of open descriptors is the user's choice.
 */
import { constants, type Dir } from 'node:fs';
import { type FileHandle, open, opendir, rename, rmdir, unlink } from 'node:fs/promises';

const DEPTH_MAX = 32;
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

interface Top {
  readonly path: string;
  /** Names at the top still to be removed; deep directories join them. */
  readonly pending: string[];
  hung: number;
}

/** Removes `name` in `parent`, which only the agent can write to; nothing there is success. */
export async function removeTree(parent: string, name: string): Promise<void> {
  await using handle = await open(parent, FLAGS);
  const top: Top = { path: `/proc/self/fd/${handle.fd}`, pending: [name], hung: 0 };
  for (let next = top.pending.pop(); next !== undefined; next = top.pending.pop()) {
    await removeEntry(top, `${top.path}/${next}`, 0);
  }
}

async function removeEntry(top: Top, path: string, depth: number): Promise<void> {
  try {
    await unlink(path);
    return;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR' && code !== 'EPERM') throw cause;
  }
  if (depth >= DEPTH_MAX) {
    const name = `deep.${process.pid}.${top.hung}`;
    top.hung += 1;
    await rename(path, `${top.path}/${name}`);
    top.pending.push(name);
    return;
  }
  await using handle = await openInside(path);
  await removeContent(top, `/proc/self/fd/${handle.fd}`, depth);
  await rmdir(path);
}

async function removeContent(top: Top, path: string, depth: number): Promise<void> {
  // Some file systems pass over entries when others are removed during a listing: list until none.
  for (let left = true; left; ) {
    left = false;
    await using directory: Dir = await opendir(path);
    for await (const entry of directory) {
      left = true;
      await removeEntry(top, `${path}/${entry.name}`, depth + 1);
    }
  }
}

async function openInside(path: string): Promise<FileHandle> {
  const handle = await open(path, FLAGS);
  // Its user may have taken its own right to list it; only an agent without root minds.
  await handle.chmod(0o700);
  return handle;
}
