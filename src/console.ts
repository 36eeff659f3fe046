/**
 * Where the executable begins when its first word is `admin`: the console and nothing else, in a
 * bundle of its own, because a cold start pays for each function it might call. What it does is
 * what main.ts does with the same words.
 */

import { crashPlainly } from './base/crash.io.ts';
import { runCli } from './cli.ts';
import { allWritten } from './streams.io.ts';

const roles = { admin: () => import('./roles/admin/commands/index.ts') };

async function command(words: readonly string[]): Promise<void> {
  process.exitCode = await runCli(words, roles);
  // What is still open is nobody's business any more, and Node would take itself apart first.
  if (allWritten()) process.exit();
}

crashPlainly();
void command(process.argv.slice(2));
