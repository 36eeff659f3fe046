/**
 * Starts a worker thread by its name in the table of src/threads.ts. The same program runs in
 * the thread as outside of it and picks the function by that name, so a thread needs no file of
 * its own beside the executable: there it is the bundle's source, carried as an asset, evaluated
 * again; straight from the sources it is src/main.ts, which Node runs as it is.
 * Refuses to know what a thread does and what it is sent.
 */

import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { Worker, workerData } from 'node:worker_threads';

interface ThreadData {
  readonly lotcThread: string;
}

/** Starts the thread `name`; errors in it are events of the worker. */
export function startThread(name: string): Worker {
  const inside = isSea();
  const source = inside ? getAsset('main.cjs', 'utf8') : join(import.meta.dirname, '../main.ts');
  return new Worker(source, {
    name,
    eval: inside,
    workerData: { lotcThread: name } satisfies ThreadData,
    // The parent's flags are about the parent (a test runner's loader, for instance).
    execArgv: [],
  });
}

/** The name this thread was started by, or undefined outside of `startThread`. */
export function threadName(): string | undefined {
  const value: unknown = workerData;
  if (typeof value !== 'object' || value === null || !('lotcThread' in value)) return undefined;
  return (value as ThreadData).lotcThread;
}
