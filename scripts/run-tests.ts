/**
 * `make test`: every ring in order, from the cheapest to the dearest, all of them even when one
 * fails, and at the end one plain line that counts every test: `812 passed, 0 failed`.
 *
 * A ring is `make check`, `make` or one vitest project, whose tests are counted from vitest's
 * own JSON. A tool that fails counts as one failed test; so does a ring in which vitest found no
 * test or ended badly outside of any test: silence is never taken for success. Each failure, and
 * each test that was unsteady, is named once more at the end.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Outcome extends Count {
  /** Paths of the files that failed. */
  readonly files: readonly string[];
  /** Each failed test in a few lines. */
  readonly failures: readonly string[];
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
  /**
   * Real processes and sockets on a machine that may be busy with something else: a file that
   * fails is run once more, alone.
   */
  readonly real?: boolean;
}

const root = resolve(import.meta.dirname, '..');
const reports = join(root, 'build/tests');

const rings: readonly Ring[] = [
  { name: 'check', make: 'check' },
  { name: 'unit', vitest: ['--project', 'unit'] },
  { name: 'sim', vitest: ['--project', 'sim'] },
  { name: 'wire', vitest: ['--project', 'wire'], real: true },
  { name: 'build', make: 'all' },
  { name: 'e2e', vitest: ['--project', 'system', '--no-file-parallelism'], real: true },
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

const nameOf = (failure: string): string => failure.split('\n', 1)[0] ?? '';

async function runVitest(name: string, words: readonly string[]): Promise<Outcome> {
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
  const files = report?.testResults ?? [];
  const outcome = {
    passed: report?.numPassedTests ?? 0,
    failed: report?.numFailedTests ?? 0,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
    files: files.filter(({ status }) => status === 'failed').map((file) => file.name),
    failures: failuresOf(files),
  };
  if (outcome.passed + outcome.failed === 0) {
    return { ...outcome, failed: 1, failures: [`${name}: no test ran`] };
  }
  if (ok || outcome.failed > 0) return outcome;
  // A file that does not load, an error outside of any test: vitest fails, its counts do not.
  const failures =
    outcome.failures.length > 0 ? outcome.failures : [`${name}: outside of any test`];
  return { ...outcome, failed: 1, failures };
}

/** The files that failed, alone: what passes now is told as unsteady, what fails has failed. */
async function runAgain(ring: Ring, first: Outcome): Promise<Outcome> {
  console.log(`\n== ${ring.name}, again: ${first.failures.length} failed`);
  const again = await runVitest(`${ring.name}-again`, [...(ring.vitest ?? []), ...first.files]);
  const names = new Set(again.failures.map(nameOf));
  unsteady.push(...first.failures.filter((failure) => !names.has(nameOf(failure))));
  return {
    ...{ ...again, skipped: first.skipped },
    passed: first.passed + Math.max(0, first.failed - again.failed),
  };
}

async function runRing(ring: Ring): Promise<Count> {
  console.log(`\n== ${ring.name}`);
  if (ring.vitest !== undefined) {
    const first = await runVitest(ring.name, ring.vitest);
    const outcome = ring.real && first.files.length > 0 ? await runAgain(ring, first) : first;
    failures.push(...outcome.failures);
    return outcome;
  }
  const ok = await run('make', ['--no-print-directory', ring.make ?? 'all']);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
}

mkdirSync(reports, { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
const failures: string[] = [];
const unsteady: string[] = [];
for (const ring of rings) {
  const startedAt = performance.now();
  const { passed, failed, skipped } = await runRing(ring);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  lines.push(`${ring.name.padEnd(6)} ${passed} passed, ${failed} failed (${seconds} s)`);
}
for (const one of unsteady) console.log(`\nUNSTEADY, failed once and passed alone: ${one}`);
for (const failure of failures) console.log(`\nFAILED ${failure}`);
console.log(`\n${lines.join('\n')}\n`);
const skips = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
const loose = unsteady.length === 0 ? '' : `, ${unsteady.length} unsteady`;
console.log(`${total.passed} passed, ${total.failed} failed${skips}${loose}`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
