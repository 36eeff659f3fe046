/**
 * `make test`: every ring in order, from the cheapest to the dearest, all of them even when one
 * fails, and at the end one plain line that counts every test: `812 passed, 0 failed`.
 *
 * A ring is `make check`, `make` or one vitest project, whose tests are counted from vitest's
 * own JSON. A tool that fails counts as one failed test; so does a ring in which vitest found no
 * test or ended badly outside of any test: silence is never taken for success.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** What is read of vitest's JSON. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly File[];
}

interface File {
  readonly name: string;
  readonly message: string;
  readonly status: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages: readonly string[];
  }[];
}

interface Ring {
  readonly name: string;
  /** A make target, or the words for one run of a vitest project. */
  readonly make?: string;
  readonly vitest?: readonly string[];
}

const root = resolve(import.meta.dirname, '..');
const reports = join(root, 'build/tests');

const rings: readonly Ring[] = [
  { name: 'check', make: 'check' },
  { name: 'unit', vitest: ['--project', 'unit'] },
  { name: 'sim', vitest: ['--project', 'sim'] },
  { name: 'wire', vitest: ['--project', 'wire'] },
  { name: 'build', make: 'all' },
  { name: 'e2e', vitest: ['--project', 'system', '--no-file-parallelism'] },
];

async function run(program: string, words: readonly string[]): Promise<boolean> {
  const child = spawn(program, words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const { promise, resolve: done, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject);
  child.on('close', done);
  return (await promise) === 0;
}

function read(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

/** Each failure in a few lines: a log of half an hour is cut, its end is not. */
function failuresOf(files: readonly File[]): string[] {
  const short = (text: string): string => text.split('\n').slice(0, 6).join('\n    ');
  return files.flatMap(({ name, message, status, assertionResults }) => {
    const failed = assertionResults.filter((result) => result.status === 'failed');
    const file = name.slice(root.length + 1);
    if (failed.length === 0 && status === 'failed') return [`${file}\n    ${short(message)}`];
    return failed.map(({ fullName, failureMessages }) => {
      return `${file}: ${fullName}\n    ${short(failureMessages.join('\n'))}`;
    });
  });
}

async function runVitest(name: string, words: readonly string[]): Promise<Count> {
  const path = join(reports, `${name}.json`);
  rmSync(path, { force: true });
  const ok = await run(join(root, 'node_modules/.bin/vitest'), [
    'run',
    ...words,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${path}`,
  ]);
  const report = read(path);
  const count = {
    passed: report?.numPassedTests ?? 0,
    failed: report?.numFailedTests ?? 0,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
  failures.push(...failuresOf(report?.testResults ?? []));
  if (count.passed + count.failed === 0) {
    console.log(`ring ${name}: no test ran, which counts as a failure`);
    return { ...count, failed: 1 };
  }
  // A file that does not load, an error outside of any test: vitest fails, its counts do not.
  if (!ok && count.failed === 0) count.failed = 1;
  return count;
}

async function runRing(ring: Ring): Promise<Count> {
  console.log(`\n== ${ring.name}`);
  if (ring.vitest !== undefined) return runVitest(ring.name, ring.vitest);
  const ok = await run('make', ['--no-print-directory', ring.make ?? 'all']);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
}

mkdirSync(reports, { recursive: true });
const total: Count = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
const failures: string[] = [];
for (const ring of rings) {
  const startedAt = performance.now();
  const { passed, failed, skipped } = await runRing(ring);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  lines.push(`${ring.name.padEnd(6)} ${passed} passed, ${failed} failed (${seconds} s)`);
}
for (const failure of failures) console.log(`\nFAILED ${failure}`);
console.log(`\n${lines.join('\n')}\n`);
const skips = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
console.log(`${total.passed} passed, ${total.failed} failed${skips}`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
