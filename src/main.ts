/**
 * Where LOTC begins, as a program and as each of its worker threads. `--version` is answered
 * before anything else is loaded; everything else is loaded where it is used, so that a command
 * costs what it needs and no more (one CJS file in the executable: no top-level await).
 */

import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { build } from './base/build.ts';
import { crashPlainly } from './base/crash.io.ts';
import type { Roles } from './cli.ts';

const roles: Roles = {
  server: () => import('./roles/server/command.ts'),
  agent: () => import('./roles/agent/command.ts'),
  admin: () => import('./roles/admin/commands/index.ts'),
  dissector: () => import('./dissector.io.ts'),
};

async function thread(): Promise<void> {
  const { threadName } = await import('./base/thread.io.ts');
  const { runThread } = await import('./threads.ts');
  await runThread(threadName() ?? '');
}

async function command(words: readonly string[]): Promise<void> {
  const { runCli } = await import('./cli.ts');
  process.exitCode = await runCli(words, roles);
  // A role that has ended ends, whatever a library has left open.
  const { allWritten } = await import('./streams.io.ts');
  if (allWritten()) process.exit();
}

const words = process.argv.slice(2);
if (isMainThread) crashPlainly();
if (!isMainThread) {
  void thread();
} else if (words.length === 1 && words[0] === '--version') {
  writeSync(1, `lotc ${build.version} (${build.commit}, node ${process.version})\n`);
} else if (words[0] === 'notify') {
  void import('./notify.io.ts');
} else {
  // Asked twice in a row to become another, an agent must not end: its own listener comes later.
  if (words[0] === 'agent') process.on('SIGHUP', () => undefined);
  void command(words);
}
