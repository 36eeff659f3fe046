/**
 * Starts a worker thread by its name in the table of src/threads.ts. The same program runs in
 * the thread as outside of it and picks the function by that name, so a thread needs no file of
 * its own beside the executable: there it is the bundle's source, carried as an asset, evaluated
 * again; straight from the sources it is src/main.ts, which Node runs as it is.
 * Refuses to know what a thread does and what it is sent.
 */

import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { type ResourceLimits, type Transferable, Worker, workerData } from 'node:worker_threads';

export interface ThreadOptions {
  readonly transfer?: readonly Transferable[] | undefined;
  readonly resourceLimits?: ResourceLimits | undefined;
}

interface ThreadData {
  readonly lotcThread: string;
  readonly data: unknown;
}

/** Starts the thread `name` and hands it `data`; errors in it are events of the worker. */
export function startThread(name: string, data: unknown, options: ThreadOptions = {}): Worker {
  const inside = isSea();
  const source = inside ? getAsset('main.cjs', 'utf8') : join(import.meta.dirname, '../main.ts');
  return new Worker(source, {
    name,
    eval: inside,
    workerData: { lotcThread: name, data } satisfies ThreadData,
    // The parent's flags are about the parent (a test runner's loader, for instance).
    execArgv: [],
    ...(options.transfer === undefined ? {} : { transferList: [...options.transfer] }),
    ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
  });
}

function given(): ThreadData | undefined {
  const value: unknown = workerData;
  if (typeof value !== 'object' || value === null || !('lotcThread' in value)) return undefined;
  return value as ThreadData;
}

/** The name this thread was started by, or undefined outside of `startThread`. */
export function threadName(): string | undefined {
  return given()?.lotcThread;
}

/** What `startThread` was given as `data`, inside the thread. */
export function threadData(): unknown {
  return given()?.data;
}
