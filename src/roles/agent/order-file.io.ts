/**
 * The order as it lies in a run's directory: what was launched, and in which boot of the machine.
 * Written before the launch, not synced: it has to survive the agent's death, and after a power
 * cut nothing runs any more.
 */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { bootId } from '../../supervisor/proc.io.ts';
import type { Item } from './events.ts';

export interface OrderFile {
  readonly order: Item;
  readonly boot: string;
}

export function writeOrder(path: string, order: Item): void {
  writeFileSync(path, JSON.stringify({ order, boot: bootId() }), { mode: 0o600 });
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
