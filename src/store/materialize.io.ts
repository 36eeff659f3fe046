/**
 * What a run sees of its bundle. "A directory's content, or the file under its own name, stands
 * at the run's root", and the run may write there without touching what other runs execute.
 *
 * - Directories are the run's own, so `out/` shipped in the bundle can be written to.
 * - Files up to 1 MiB are the run's own copies (a reflink where the file system can): scripts,
 *   configuration, small data. Found by trying: with links instead, an interpreter resolves its
 *   script into the bundle (`realpath`), and a root run leaves caches there for all others.
 * - Larger files are symlinks to the one copy: a 50 MB program starts without 25 ms of copying, its
 *   pages are shared by all runs, and a hundred kept runs do not cost a hundred copies.
 *   `/proc/self/exe` then names the bundle's file; the name in the run's directory works as ever.
 * - A bundle beyond 2,000 entries or 64 MiB of such copies is linked name by name at its root, in
 *   constant time, and is read-only as a whole.
 * - Symlinks stay as they are. Hard links are never used: one inode, a writer changes all runs.
 *
 * Through a link other users cannot write (modes of unpack.io.ts); a run as root could, on purpose.
 *
 * Copies are made by synchronous calls, a file at a time: no file is open for writing while this
 * thread forks, or its exec could fail with ETXTBSY in another run's child.
 *
 * The run's directory must still be closed to its user (0700, ours): the owner of everything is
 * set inside it, and its own last, so that nobody can swap a directory for a link meanwhile.
 */
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { limits } from '../base/limits.ts';
import { Breath } from './breath.io.ts';
import { storageError } from './durable.io.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

type Act = 'directory' | 'copy' | 'symlink' | 'share';

interface Item {
  readonly path: string;
  readonly act: Act;
}

/** Into an empty directory. Without an owner everything stays ours. */
export async function materialize(
  bundleDirectory: string,
  runDirectory: string,
  owner?: Owner,
): Promise<void> {
  const bundle = resolve(bundleDirectory);
  const breath = new Breath();
  try {
    const items = (await survey(bundle, breath)) ?? rootOnly(bundle);
    for (const item of items) {
      place(bundle, runDirectory, item);
      if (owner !== undefined) lchownSync(join(runDirectory, item.path), owner.uid, owner.gid);
      await breath.take();
    }
    if (owner !== undefined) chownSync(runDirectory, owner.uid, owner.gid);
  } catch (cause) {
    throw storageError(cause, `cannot lay out a bundle in ${runDirectory}`);
  }
}

/** Directories before their content; undefined when there is too much to copy. */
async function survey(bundle: string, breath: Breath): Promise<Item[] | undefined> {
  const items: Item[] = [];
  const directories = [''];
  let copiedBytes = 0;
  for (let at = 0; at < directories.length; at += 1) {
    const directory = directories[at] ?? '';
    for (const found of readdirSync(join(bundle, directory), { withFileTypes: true })) {
      const path = join(directory, found.name);
      const act = found.isDirectory() ? 'directory' : found.isFile() ? 'copy' : 'symlink';
      const size = act === 'copy' ? lstatSync(join(bundle, path)).size : 0;
      const shared = size > limits.ownFileBytes;
      items.push({ path, act: shared ? 'share' : act });
      if (act === 'directory') directories.push(path);
      if (!shared) copiedBytes += size;
      const tooMany = items.length > limits.ownTreeEntries;
      if (tooMany || copiedBytes > limits.ownTreeBytes) return undefined;
    }
    await breath.take();
  }
  return items;
}

function rootOnly(bundle: string): Item[] {
  return readdirSync(bundle, { withFileTypes: true }).map((found) => ({
    path: found.name,
    act: found.isSymbolicLink() ? 'symlink' : 'share',
  }));
}

function place(bundle: string, runDirectory: string, { path, act }: Item): void {
  const from = join(bundle, path);
  const to = join(runDirectory, path);
  switch (act) {
    case 'directory':
      mkdirSync(to);
      return chmodSync(to, 0o755);
    case 'copy':
      return copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    case 'symlink':
      return symlinkSync(readlinkSync(from), to);
    case 'share':
      return symlinkSync(from, to);
  }
}
