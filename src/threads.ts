/**
 * The worker threads of LOTC, by name. Each entry loads its module only in the thread that runs
 * it. A thread's module exports `run()`, which is called once and sets the thread to work.
 */

import { assert } from './base/assert.ts';

interface Thread {
  run(): void | Promise<void>;
}

const threads: Readonly<Record<string, () => Promise<Thread>>> = {
  clock: () => import('./scheduler/clock/clock.thread.io.ts'),
  deeds: () => import('./supervisor/deed.thread.io.ts'),
  journal: () => import('./store/journal.thread.io.ts'),
};

/** Runs the thread `name` until its module lets it end. */
export async function runThread(name: string): Promise<void> {
  const load = threads[name];
  assert(load !== undefined, `no thread is called ${name}`);
  await (await load()).run();
}
