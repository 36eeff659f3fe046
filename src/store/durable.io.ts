/**
 * Files that are there after a power cut, whole or not at all.
 *
 * A file is written beside its place, synced, renamed over it, and then its directory is synced:
 * without the last step a rename may not have happened after the power returns. The temporary
 * name is fixed (`PATH.tmp`), so that a crash leaves at most one leftover, which the next write
 * replaces; writes to one path therefore queue up behind each other.
 */

import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LotcError } from '../base/errors.ts';

const writing = new Map<string, Promise<void>>();

/** Resolves when the bytes, the mode and the name are on disk; the old file stays until then. */
export async function writeFileDurably(
  path: string,
  bytes: Uint8Array | string,
  mode = 0o600,
): Promise<void> {
  const key = resolve(path);
  const before = writing.get(key) ?? Promise.resolve();
  const mine = before.catch(() => {}).then(() => replaceFile(key, bytes, mode));
  writing.set(key, mine);
  try {
    await mine;
  } finally {
    if (writing.get(key) === mine) writing.delete(key);
  }
}

/** Makes creations, renames and removals inside a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file is gone for good when this resolves; a file that was not there is no error. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(resolve(path)));
}

/** What a failed system call means to an operator; only a lack of space is an ordinary state. */
export function storageError(cause: unknown, act: string): LotcError {
  if (cause instanceof LotcError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new LotcError('disk-full', `${act}: no space left on the device`, {
      hint: 'free space there; nothing else has to be done',
      cause,
    });
  }
  return new LotcError('io', `${act}: ${message}`, { cause });
}

async function replaceFile(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const temporary = `${path}.tmp`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  try {
    const handle = await open(temporary, flags, mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw storageError(cause, `cannot write ${path}`);
  }
}
