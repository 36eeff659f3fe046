/**
 * The order as it lies in a run's directory: what was launched, for which time, and in which boot
 * of the machine. Replaced as a whole: a restarted run must not lose it to a crash in between.
 * Written before the launch, not synced: it has to survive the agent's death, and after a power
 * cut nothing runs any more.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { bootId } from '../../supervisor/proc.io.ts';
import type { Item } from './events.ts';

export interface OrderFile {
  readonly order: Item;
  readonly boot: string;
  /** 0 for the first launch of the run; then its restarts. */
  readonly launch: number;
}

export function writeOrder(path: string, order: Item, launch: number): void {
  const head = headOf(launch);
  const body = `${JSON.stringify(order)}}`;
  if (launch > 0 && renumber(path, head, body)) return;
  // The first is claimed by its directory; what comes later replaces it as a whole.
  const temporary = existsSync(path) ? `${path}.tmp` : path;
  writeFileSync(temporary, head + body, { mode: 0o600 });
  if (temporary !== path) renameSync(temporary, path);
}

/** What changes from launch to launch stands first, in as many bytes. */
function headOf(launch: number): string {
  return `{"launch":${String(launch).padStart(10)},"boot":${JSON.stringify(bootId())},"order":`;
}

/**
 * One write in place, which a death of the agent does not divide. False: something else is there
 * than the same order with another head.
 */
function renumber(path: string, head: string, body: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r+');
    const there = readFileSync(fd, 'utf8');
    const isHead = /^\{"launch": *\d+,"boot":"[^"]*","order":$/.test(there.slice(0, head.length));
    if (!isHead || there.slice(head.length) !== body) return false;
    return writeSync(fd, head, 0) === head.length;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Undefined where there is none, or only a part of one: then nothing was launched. */
export async function readOrder(path: string): Promise<OrderFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as OrderFile;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}
