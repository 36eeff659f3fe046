/**
 * The file of a table log: opened or made, written at a place, written anew as a whole. What a
 * frame is stands in table-log.ts; when what is written, in tables.io.ts.
 */
import { closeSync, constants, openSync, readFileSync, write, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { isFull, syncDirectorySync } from './database.io.ts';
import type { Reserve } from './reserve.io.ts';
import { encodeWrites, fileHead, frameOf, type Scan, scanLog } from './table-log.ts';
import type { TableWrite } from './tables.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_DSYNC;
const frameWrites = 1_000;

/** Opens it or makes it, private to this user; every write to it is durable when it returns. */
export function openLog(path: string, reserve: Reserve): { fd: number; scan: Scan } {
  const fd = openSync(path, FLAGS, 0o600);
  try {
    const file = readFileSync(fd);
    const scan = scanLog(file);
    if (!scan) throw damaged(path, 'it is no table log');
    if (scan.damagedAt !== undefined) throw damaged(path, `at byte ${scan.damagedAt}`);
    if (scan.number === 0) begin(path, fd, reserve);
    return { fd, scan };
  } catch (error) {
    closeSync(fd);
    throw error instanceof LotcError ? error : failureOf(path, error);
  }
}

function begin(path: string, fd: number, reserve: Reserve): void {
  try {
    writeSync(fd, fileHead, 0, fileHead.length, 0);
  } catch (error) {
    if (!isFull(error)) throw error;
    reserve.release();
    writeSync(fd, fileHead, 0, fileHead.length, 0);
  }
  syncDirectorySync(dirname(path));
}

/** How many of the bytes from `from` on were written at `position`. */
export function writeAt(
  fd: number,
  bytes: Uint8Array,
  from: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, bytes.length - from, position, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}

/** A log of these entries alone, durable but for its name. */
export async function writeLog(path: string, writes: readonly TableWrite[]): Promise<void> {
  await using handle = await open(path, 'w', 0o600);
  await handle.writeFile(fileHead);
  for (let at = 0, number = 1; at < writes.length; at += frameWrites, number += 1) {
    const { bytes } = encodeWrites(writes.slice(at, at + frameWrites));
    await handle.writeFile(frameOf(number, [bytes]));
  }
  await handle.sync();
}

/** What a failed system call means here. */
export function failureOf(path: string, cause: unknown): LotcError {
  if (isFull(cause)) {
    return new LotcError('disk-full', `no space left for ${path}`, {
      hint: 'free space on its disk; nothing else has to be done',
      cause,
    });
  }
  return new LotcError('io', `${path} takes no writes: ${(cause as Error).message}`, {
    hint: 'check the disk, then start the program again',
    cause,
  });
}

function damaged(path: string, where: string): LotcError {
  return new LotcError('damaged', `${path} is damaged: ${where}`, {
    hint: 'put the file back from a backup, or remove the data directory and join with a new token',
  });
}
