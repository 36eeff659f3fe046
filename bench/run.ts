/**
 * `make bench`: every row in order, or those that are named (`node bench/run.ts version ps`). Each
 * takes its place in bench/RESULTS.md when it ends; one that does not end within its time is broken
 * off, said so, and everything it started is stopped.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding, Row } from './measure.ts';
import { loadNow, machine, readResults, record } from './record.ts';
import { disposeAll } from './rig.ts';
import { burst } from './rows/burst.ts';
import { chain } from './rows/chain.ts';
import { clock } from './rows/clock.ts';
import { ps, startWait, version } from './rows/cold.ts';
import { dissectorFlat, dissectorFuzz, dissectorList } from './rows/dissector.ts';
import { handshakes } from './rows/door.ts';
import { batch, commands } from './rows/durable.ts';
import { fired } from './rows/fired.ts';
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
  ...[
    version,
    ps,
    startWait,
    notify,
    batch,
    commands,
    firstInstruction,
    gate,
    fired,
    died,
    idle,
    watch,
  ],
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

const order = rows.map(({ name }) => name);
const build = execFileSync(executable, ['--version'], { encoding: 'utf8' }).trim();
let failures = 0;
for (const row of chosen) {
  process.stderr.write(`== ${row.name}\n`);
  const before = loadNow();
  const beginMs = performance.now();
  const condition = () => ({
    ...{ day: new Date().toISOString().slice(0, 10), build, machine: machine() },
    load: [before, loadNow()] as const,
    seconds: Math.round((performance.now() - beginMs) / 1_000),
  });
  try {
    const findings = await bounded(row);
    for (const finding of findings) console.log(lineOf(finding));
    record(row.name, { ...condition(), findings }, order);
  } catch (error) {
    await disposeAll();
    failures += 1;
    const broken = (error as Error).message.split('\n')[0] ?? '';
    const earlier = readResults()[row.name] ?? { ...condition(), findings: [] };
    record(row.name, { ...earlier, broken }, order);
    console.log(`${row.name}: not measured: ${(error as Error).stack}`);
  }
}
process.exit(failures === 0 ? 0 : 1);

function bounded(row: Row): Promise<Finding[]> {
  const { limitMs } = row;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const text = `did not end within ${limitMs / 1_000} s`;
  const timer = setTimeout(() => reject(new Error(text)), limitMs);
  return Promise.race([row.run(), late]).finally(() => clearTimeout(timer));
}

function lineOf({ what, figure, against, result, goal, met }: Finding): string {
  const judged = met === undefined ? '' : met ? 'yes' : 'NO';
  return [what, figure, against, result, goal, judged].join(' | ');
}
