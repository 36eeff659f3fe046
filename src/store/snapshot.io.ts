/**
 * The model's snapshots, as files beside the journal: written aside, synced, renamed, the
 * directory synced; only then does the journal mention them. A file says nothing about itself;
 * its checksum is in the journal's row. What is in it is not known here.
 */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError, syncDirectory } from './durable.io.ts';
import type { Position } from './journal.ts';
import { type SnapshotRow, snapshotFile, snapshotsPath } from './layout.io.ts';

const sliceBytes = 256 * 1024;

export async function writeSnapshot(
  path: string,
  at: Position,
  body: AsyncIterable<Uint8Array>,
): Promise<SnapshotRow> {
  const directory = snapshotsPath(path);
  const temporary = join(directory, `${at.seq}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  try {
    const hash = createHash('sha256');
    const handle = await open(temporary, flags, 0o600);
    let bytes = 0;
    try {
      for await (const slice of body) {
        hash.update(slice);
        await handle.writeFile(slice);
        bytes += slice.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const sha256 = hash.digest();
    const file = `${at.seq}-${sha256.toString('hex').slice(0, 16)}`;
    await rename(temporary, join(directory, file));
    await syncDirectory(directory);
    return { ...at, sha256: Uint8Array.from(sha256), bytes, file };
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw storageError(cause, `cannot write a snapshot to ${directory}`);
  }
}

export async function* readSnapshot(path: string, row: SnapshotRow): AsyncGenerator<Uint8Array> {
  const handle = await open(snapshotFile(path, row), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(sliceBytes), 0, sliceBytes);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Why the snapshot cannot be used, or undefined when its checksum holds. */
export async function snapshotFault(path: string, row: SnapshotRow): Promise<string | undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const slice of readSnapshot(path, row)) {
      hash.update(slice);
      bytes += slice.length;
    }
  } catch (error) {
    return (error as Error).message;
  }
  if (bytes !== row.bytes) return `it has ${bytes} bytes instead of ${row.bytes}`;
  if (!hash.digest().equals(row.sha256)) return 'it does not match its checksum';
  return undefined;
}

/** Removes files no row names: older snapshots, and what a crash left half-written. */
export async function sweepSnapshots(path: string, rows: readonly SnapshotRow[]): Promise<void> {
  const kept = new Set(rows.map(({ file }) => file));
  for (const name of await readdir(snapshotsPath(path))) {
    if (!kept.has(name)) await rm(join(snapshotsPath(path), name), { force: true });
  }
}
