/**
 * `make check`: format, lint with types, types, dead code and the tidy test, side by side, in
 * under ten seconds, so that people run it. What is wrong is printed tool by tool; a tool that
 * finds nothing prints its name and its time. Three keep in build/check what they found out of
 * files that are the same the next time. The compiler goes by one thread: several repeat each
 * other's work, and the tools beside it have the other cores.
 */

import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

const kept = (name: string): string => join(root, 'build/check', name);

const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const remembered = ['--incremental', '--tsBuildInfoFile', kept('types')];

const tools: Readonly<Record<string, readonly string[]>> = {
  format: [bin('biome'), 'check', '--colors=off'],
  lint: [process.execPath, join(root, 'scripts/lint.ts')],
  types: [bin('tsc'), '--noEmit', '--singleThreaded', ...remembered, '-p', root],
  'dead code': [bin('knip'), '--no-progress', '--cache', '--cache-location', kept('knip')],
  tidy: [bin('vitest'), 'run', '--project', 'tidy', '--reporter=dot'],
};

interface Answer {
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: string;
}

async function run([tool = '', ...words]: readonly string[]): Promise<Answer> {
  const startedAt = performance.now();
  const child = spawn(tool, words, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const { promise, resolve: done, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject);
  child.on('close', done);
  const code = await promise;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  return { ok: code === 0, output: Buffer.concat(chunks).toString(), seconds };
}

const answers = await Promise.all(
  Object.entries(tools).map(async ([name, words]) => ({ name, ...(await run(words)) })),
);
for (const { name, ok, output, seconds } of answers) {
  if (!ok) console.log(output);
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
}
process.exitCode = answers.every(({ ok }) => ok) ? 0 : 1;
