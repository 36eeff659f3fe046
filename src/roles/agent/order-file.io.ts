/**
 * The order as it lies in a run's directory: what was launched, for which time, and in which boot
 * of the machine. Replaced as a whole: a restarted run must not lose it to a crash in between.
 * Written before the launch, not synced: it has to survive the agent's death, and after a power
 * cut nothing runs any more.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
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
  const file: OrderFile = { order, boot: bootId(), launch };
  // The first is claimed by its directory; what comes later replaces it as a whole.
  const temporary = existsSync(path) ? `${path}.tmp` : path;
  writeFileSync(temporary, JSON.stringify(file), { mode: 0o600 });
  if (temporary !== path) renameSync(temporary, path);
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
