/**
 * `make bench`: every row in order, or those that are named (`node bench/run.ts version ps`).
 * A full run writes bench/RESULTS.md; a row that does not end within its time is broken off, said
 * so, and everything it started is stopped.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Finding, Row } from './measure.ts';
import { disposeAll } from './rig.ts';
import { burst } from './rows/burst.ts';
import { chain } from './rows/chain.ts';
import { clock } from './rows/clock.ts';
import { ps, startWait, version } from './rows/cold.ts';
import { dissectorFlat, dissectorFuzz, dissectorList } from './rows/dissector.ts';
import { handshakes } from './rows/door.ts';
import { batch, commands } from './rows/durable.ts';
import { fuzzed } from './rows/fuzz.ts';
import { gate } from './rows/gate.ts';
import { tree } from './rows/held.ts';
import { idle } from './rows/idle.ts';
import { comeback, joining, knocking } from './rows/joining.ts';
import { kills } from './rows/kills.ts';
import { lost } from './rows/lost.ts';
import { loud } from './rows/loud.ts';
import { runAll, thousand } from './rows/many.ts';
import { notify } from './rows/notify.ts';
import { died, firstInstruction } from './rows/orders.ts';
import { place } from './rows/place.ts';
import { planner } from './rows/planner.ts';
import { preempt } from './rows/preempt.ts';
import { pushOne, pushTen } from './rows/push.ts';
import { restart } from './rows/restart.ts';
import { results as resultFiles } from './rows/results.ts';
import { rights } from './rows/rights.ts';
import { skew } from './rows/skew.ts';
import { saturated, starts } from './rows/starts.ts';
import { supervised } from './rows/supervised.ts';
import { watch } from './rows/watch.ts';

const rows: readonly Row[] = [
  ...[version, ps, startWait, notify, batch, commands, firstInstruction, gate, died, idle, watch],
  ...[restart, starts, saturated, supervised, tree, kills, loud, chain, preempt, lost],
  ...[runAll, thousand, pushOne, pushTen, resultFiles],
  ...[
    dissectorList,
    dissectorFlat,
    dissectorFuzz,
    clock,
    skew,
    burst,
    planner,
    rights,
    place,
    fuzzed,
    handshakes,
    joining,
    comeback,
    knocking,
  ],
];

const root = join(import.meta.dirname, '..');
const names = process.argv.slice(2);
const chosen = names.length === 0 ? rows : rows.filter(({ name }) => names.includes(name));
const unknown = names.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) {
  const known = rows.map(({ name }) => name).join(' ');
  console.error(`no row is called ${unknown.join(', ')}; there are: ${known}`);
  process.exit(2);
}

/** The executable as it is now, whatever is built meanwhile. */
const scratch = mkdtempSync(join(tmpdir(), 'lotc-bench-'));
const executable = join(scratch, 'lotc');
copyFileSync(process.env['LOTC_EXECUTABLE'] ?? join(root, 'dist/lotc'), executable);
process.env['LOTC_EXECUTABLE'] = executable;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void disposeAll().then(() => process.exit(130)));
}
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** What a full run does not look at. */
const left: readonly string[] = [
  'NATS, Slurm, clush and ssh themselves: they are no part of the build. `run --on @all` is held ' +
    'against forks by xargs, of which NATS with responders that spawn took 5.3 times as many, and ' +
    'ssh over kept connections 7.2 times, on a quiet machine of this kind.',
  'Anything over a real network: all of it is loopback, so the CPU of both ends is in each figure.',
];

const findings: Finding[] = [];
const broken: string[] = [];
const beginMs = performance.now();
for (const row of chosen) {
  process.stderr.write(`== ${row.name}\n`);
  try {
    for (const finding of await bounded(row)) {
      findings.push(finding);
      console.log(lineOf(finding));
    }
  } catch (error) {
    await disposeAll();
    const reason = (error as Error).message.split('\n')[0] ?? '';
    broken.push(`\`${row.name}\`: ${reason}`);
    console.log(`${row.name}: not measured: ${(error as Error).stack}`);
  }
}
const seconds = Math.round((performance.now() - beginMs) / 1_000);
if (names.length === 0) writeFileSync(join(import.meta.dirname, 'RESULTS.md'), results());
process.exit(broken.length === 0 ? 0 : 1);

function bounded(row: Row): Promise<Finding[]> {
  const { limitMs } = row;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const text = `did not end within ${limitMs / 1_000} s`;
  const timer = setTimeout(() => reject(new Error(text)), limitMs);
  return Promise.race([row.run(), late]).finally(() => clearTimeout(timer));
}

function lineOf({ what, figure, against, result, goal, met }: Finding): string {
  const judged = met === undefined ? '' : met ? 'yes' : '**no**';
  return `| ${[what, figure, against, result, goal, judged].join(' | ')} |`;
}

function results(): string {
  const commit = execFileSync(executable, ['--version'], { encoding: 'utf8' }).trim();
  const model = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  const day = new Date().toISOString().slice(0, 10);
  const notMeasured = [...broken.map((text) => `${text}.`), ...left];
  return `# Measured

${day}, ${commit}, by \`make bench\` (${seconds} s).
Machine: ${cpus().length} virtual cores (${model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, \
load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')} at the end.

The machine is shared and noisy: **read the ratios**. Both sides of a ratio take turns inside
each round of one run, on the same Node, disk and loopback; figures are medians.

| what | LOTC | against | result | to reach | reached |
| --- | --- | --- | --- | --- | --- |
${findings.map(lineOf).join('\n')}

## Not measured

${notMeasured.map((text) => `- ${text}`).join('\n')}
`;
}
