/**
 * `node bench/soak.ts [MINUTES]`: one node for ten minutes, on which programs of every kind are
 * started, suspended, killed and left alone at random, while agent, shims and processes are killed
 * with -9 now and then. Afterwards nothing may be left but what was there before: no process, no
 * descriptor, no control group, no file of a run; and memory has to be flat from the middle on.
 *
 * LOTC_SEED gives the same choices again. Exit code 1 where something is left.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../src/base/prng.ts';
import type { Link } from '../src/net/link.io.ts';
import { groupMounts } from '../src/supervisor/tree.ts';
import { processesBelow, until } from '../tests/e2e/fleet.ts';
import { digits, residentKiB, sleep } from './measure.ts';
import { disposeAll, end, key, Rig } from './rig.ts';

const root = join(import.meta.dirname, '..');
const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.env['LOTC_SEED'] ?? Date.now() % 1_000_000);
const random = new Prng(seed);
const lanes = 6;
const tally = new Map<string, number>();
const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1);

const scratch = mkdtempSync(join(tmpdir(), 'lotc-bench-'));
const copy = join(scratch, 'lotc');
copyFileSync(process.env['LOTC_EXECUTABLE'] ?? join(root, 'dist/lotc'), copy);
process.env['LOTC_EXECUTABLE'] = copy;
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void disposeAll().then(() => process.exit(130)));
}

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script], keepRuns: 2 });
const revived = { backoffMinMs: 10, backoffMaxMs: 100 };
const quick = { stopGraceMs: 300, logMaxBytes: 1 << 20 };
/** What a program may be like. */
const kinds = {
  ends: sh('exit 3'),
  works: sh('sleep 0.3; echo done'),
  rests: sh('exec sleep 1000'),
  deaf: { ...sh('trap "" TERM INT HUP; while :; do sleep 0.2; done'), ...quick },
  flood: { ...sh('exec head -c 30000000 /dev/zero'), ...quick },
  lines: { ...sh('yes a line of output | head -n 2000000'), ...quick },
  tree: sh('for n in 1 2 3 4 5 6 7 8 9; do (setsid sleep 1000 &); done; exec sleep 1000'),
  fails: { ...sh('sleep 0.05; echo why >&2; exit 1'), restart: 'on-failure', ...revived },
  always: { ...sh('exec sleep 0.2'), restart: 'always', ...revived },
  hangs: { ...sh('kill -STOP $$; exec sleep 1000'), ...quick },
  none: { command: ['/no/such/program'], keepRuns: 2 },
} as const;

interface Reading {
  readonly agent: number;
  readonly server: number;
}

async function main(): Promise<number> {
  await using rig = await Rig.open(1);
  const first = rig.agents.pop();
  if (first) await end(first);
  await startAgent(rig);
  await rig.online(1);
  const link = await rig.session();
  const names = Object.keys(kinds).flatMap((kind) => [`${kind}-1`, `${kind}-2`]);
  for (const task of names) {
    const spec = kinds[task.slice(0, -2) as keyof typeof kinds];
    await link.request('taskAdd', { key: key(), task, spec, mode: 'create' });
  }
  const before = { agent: openFiles(agentOf(rig)), server: openFiles(rig.pid) };
  const readings: Reading[] = [];
  const endMs = performance.now() + minutes * 60_000;
  const isOver = (): boolean => performance.now() > endMs;
  const watch = async (): Promise<void> => {
    for (; !isOver(); await sleep(5_000)) {
      const [agent, server] = [agentOf(rig), rig.pid];
      if (!existsSync(`/proc/${agent}/status`)) continue;
      readings.push({ agent: residentKiB(agent), server: residentKiB(server) });
    }
  };
  const lane = async (n: number): Promise<void> => {
    const mine = names.filter((_, at) => at % lanes === n);
    while (!isOver()) await act(link, random.pick(mine));
  };
  const work = Array.from({ length: lanes }, (_, n) => lane(n));
  await Promise.all([...work, watch(), harm(rig, isOver)]);

  for (const task of names) await verb(link, 'taskKill', task, { mode: 'kill', wait: true });
  await link.request('retWait', { targets: names, waitFor: 'gone' });
  const left: string[] = [];
  const look = (): string[] => leftOf(rig, before);
  await until(() => look().length === 0, 30_000).catch(() => left.push(...look()));
  const flat = report(readings, left);
  return left.length === 0 && flat ? 0 : 1;
}

const agentOf = (rig: Rig): number => rig.agents.at(-1)?.pid ?? 0;

async function act(link: Link, task: string): Promise<void> {
  const chance = random.int(0, 99);
  if (chance < 45) await verb(link, 'taskRun', task, {});
  else if (chance < 60) await verb(link, 'taskKill', task, { mode: 'kill', wait: true });
  else if (chance < 75) await verb(link, 'taskKill', task, { mode: 'stop', wait: true });
  else if (chance < 85) await verb(link, 'taskStop', task, { wait: true });
  else if (chance < 95) await verb(link, 'taskCont', task, { wait: true });
  else await read(link, task);
  await sleep(random.int(0, 60));
}

type Verb = 'taskRun' | 'taskKill' | 'taskStop' | 'taskCont';

/** Being refused is an answer as good as any. */
async function verb(link: Link, kind: Verb, task: string, more: object): Promise<void> {
  count(kind);
  const body = { key: key(), targets: [task], ...more };
  await link.request(kind, body).catch(() => count(`${kind} refused`));
}

async function read(link: Link, task: string): Promise<void> {
  count('logs');
  await link
    .request('retLog', { targets: [task], tail: 20, credit: 1 << 20 })
    .catch(() => undefined);
}

/** Each few seconds somebody dies, agent, shim or process; or the agent is told to upgrade. */
async function harm(rig: Rig, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await sleep(random.int(1_000, 5_000));
    const chance = random.int(0, 9);
    const agent = agentOf(rig);
    if (!existsSync(`/proc/${agent}`)) throw new Error(`the agent ended: ${rig.log()}`);
    if (chance === 0) {
      count('agent killed');
      process.kill(agent, 'SIGKILL');
      await sleep(random.int(0, 500));
      await startAgent(rig);
    } else if (chance === 1) {
      count('agent upgraded');
      await untilReady(rig, () => process.kill(agent, 'SIGHUP'));
    } else {
      const shims = processesBelow(rig.path('a1')).length === 0 ? [] : shimsOf(agent);
      const shim = shims.length === 0 ? undefined : random.pick(shims);
      const victim = chance < 4 ? shim : shim && childrenOf(shim)[0];
      if (victim === undefined) continue;
      count(chance < 4 ? 'shims killed' : 'processes killed');
      tryKill(victim);
    }
  }
}

/** It listens to signals once it is ready: before that, SIGHUP may end it. */
async function startAgent(rig: Rig): Promise<void> {
  const [address = ''] = rig.identity.addresses;
  const args = ['--data', rig.path('a1'), '--name', 'n1', '--server', address];
  const words = ['agent', ...args, '--ready-file', readyOf(rig)];
  await untilReady(rig, () => rig.agents.push(rig.spawn(copy, words)));
}

const readyOf = (rig: Rig): string => rig.path('agent.ready');

async function untilReady(rig: Rig, act: () => unknown): Promise<void> {
  rmSync(readyOf(rig), { force: true });
  act();
  await until(
    () => existsSync(readyOf(rig)),
    60_000,
    () => `the agent: ${rig.log()}`,
  );
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const childrenOf = (pid: number): number[] => {
  const path = `/proc/${pid}/task/${pid}/children`;
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  return text === '' ? [] : text.split(' ').map(Number);
};

/** Shims of this soak: of an agent that was killed they are init's, and known by their socket. */
function shimsOf(agent: number): number[] {
  const own = childrenOf(agent);
  return own.filter((pid) => {
    const path = `/proc/${pid}/comm`;
    return existsSync(path) && readFileSync(path, 'utf8').trim() === 'lotc-shim';
  });
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function leftOf(rig: Rig, before: Reading): string[] {
  const agent = agentOf(rig);
  const spared = new Set([agent, rig.pid]);
  const processes = processesBelow(rig.directory).filter((pid) => !spared.has(pid));
  const runs = readdirSync(rig.path('a1/private/runs')).length;
  const { instance } = JSON.parse(readFileSync(rig.path('a1/private/agent.json'), 'utf8')) as {
    instance: string;
  };
  const groups = groupMounts(readFileSync('/proc/self/mounts', 'utf8'))
    .map((mount) => join(mount, 'lotc', instance))
    .flatMap((base) => (existsSync(base) ? readdirSync(base, { withFileTypes: true }) : []))
    .filter((entry) => entry.isDirectory());
  const sockets = readdirSync(rig.path('a1/private/s')).length;
  const open = openFiles(agent) - before.agent;
  const served = openFiles(rig.pid) - before.server;
  return [
    ...(processes.length > 0 ? [`${processes.length} processes: ${named(processes)}`] : []),
    ...(groups.length > 0 ? [`${groups.length} control groups`] : []),
    ...(sockets > 0 ? [`${sockets} sockets`] : []),
    // Two runs of each task are kept, and one that has just ended may not have gone yet.
    ...(runs > 2 * 2 * Object.keys(kinds).length ? [`${runs} directories of runs`] : []),
    ...(open > 2 ? [`${open} more open files of the agent`] : []),
    ...(served > 2 ? [`${served} more open files of the server`] : []),
  ];
}

const named = (pids: readonly number[]): string =>
  execFileSync('ps', ['-o', 'args=', '-p', pids.join(',')], { encoding: 'utf8' }).slice(0, 400);

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

/** Least squares over the second half; whether nothing grows by more than a tenth in it. */
function report(readings: readonly Reading[], left: readonly string[]): boolean {
  const half = readings.slice(Math.floor(readings.length / 2));
  const growth = (of: keyof Reading): number => {
    const values = half.map((one) => one[of]);
    const middle = (values.length - 1) / 2;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const rise = values.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0);
    const run = values.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
    return ((rise / run) * (values.length - 1)) / mean;
  };
  const [agent, server] = [growth('agent'), growth('server')];
  const shown = (of: keyof Reading): string =>
    `${digits((half.at(-1)?.[of] ?? 0) / 1024)} MiB (${percent(growth(of))} in the second half)`;
  const done = [...tally]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([what, n]) => `${what} ${n.toLocaleString('en')}`);
  console.log(`soak of ${minutes} min, seed ${seed}: ${done.join(', ')}`);
  console.log(`resident: agent ${shown('agent')}, server ${shown('server')}`);
  console.log(left.length === 0 ? 'left: nothing' : `LEFT: ${left.join('; ')}`);
  return agent < 0.1 && server < 0.1;
}

process.exit(await main());
