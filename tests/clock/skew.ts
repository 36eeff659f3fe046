/**
 * How far apart nodes start one task at one instant, each with a clock of its own: chronyd behind
 * a jittery path. All ends see this kernel's one clock, so when a program really began is known,
 * and so is by how much a node was wrong about when the instant was.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBaseClock, readTogether } from '../../src/scheduler/base-clock.io.ts';
import { type Fleet, until } from '../e2e/fleet.ts';
import { Chronyd } from './chrony.ts';

export interface Started {
  readonly node: string;
  readonly plannedUs: number;
  /** When its first instruction ran, by the clock of truth. */
  readonly beganUs: number;
  /** As the ledger has it. */
  readonly lateUs: number;
  readonly errorUs: number;
}

interface Fire {
  readonly node: string;
  readonly planned: string;
  readonly result: string | null;
  readonly lateUs: number;
  readonly clockErrorUs: number;
}

/** 5 ms each way, 1 ms of jitter, 5 % lost. */
const PATH = ['5', '5', '1', '0.05'];
const ERROR_MOST_US = 50_000;

export const compile = (directory: string, name: string): string => {
  const source = join(import.meta.dirname, `../../bench/floor/${name}.c`);
  const out = join(directory, name);
  execFileSync('gcc', ['-O2', '-static', '-o', out, source]);
  return out;
};

/** A server and so many agents on time. */
export async function onTime(stack: AsyncDisposableStack, fleet: Fleet, count: number) {
  const { name, netns, ipv4 = '' } = fleet.place('time');
  stack.use(await Chronyd.serve(netns, fleet.directory, { name }));
  const words = [join(import.meta.dirname, 'door.ts'), ipv4, '123', ...PATH, String(count)];
  const doors = spawn('ip', ['netns', 'exec', netns, process.execPath, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stack.defer(() => void doors.kill('SIGKILL'));
  const ports = String((await once(doors.stdout, 'data'))[0])
    .trim()
    .split(' ');
  await fleet.server('s', [], ['--ntp', ipv4]);
  const nodes = ports.map((_, n) => `n${n}`);
  for (const [n, port] of ports.entries()) {
    await fleet.agent(`n${n}`, 'both', ['--ntp', `${ipv4}:${port}`]);
  }
  await fleet.online(...nodes);
  await until(
    async () => {
      const rows = await fleet.json<{ source: string; errorUs: number | null }[]>(['sync']);
      return rows.every((row) => row.source === 'ntp' && (row.errorUs ?? 1e9) < ERROR_MOST_US);
    },
    30_000,
    () => 'the agents are not on time',
  );
  return nodes;
}

/** Starts a program that says when it began, on every node at the same instants. */
export async function startsOf(
  fleet: Fleet,
  nodes: readonly string[],
  { count, everyMs }: { count: number; everyMs: number },
): Promise<readonly Started[]> {
  const stamps = fleet.path('stamps');
  const stamp = compile(fleet.directory, 'stamp');
  await fleet.must(['task', 'create', 'stamp', '--', stamp, stamps, 'LOTC_NODE']);
  const every = ['--every', `${everyMs}ms`, '--count', String(count)];
  const from = new Date(Date.now() + 3_000).toISOString();
  const good = ['--max-clock-error', `${ERROR_MOST_US / 1_000}ms`];
  // On a busy machine the run before may still live: that is no matter here.
  const rules = ['--from', from, ...good, '--overlap', 'allow'];
  await fleet.must(['start', 'stamp', ...every, ...rules]);
  let fires: readonly Fire[] = [];
  await until(
    async () => {
      fires = await fleet.json<Fire[]>(['fires', '--task', 'stamp']);
      const over = fires.filter(({ result }) => result !== null).length;
      return over === count * nodes.length;
    },
    count * everyMs + 30_000,
    () => `${count} firings on ${nodes.length} nodes: ${JSON.stringify(fires.slice(-3))}`,
  );
  const { oneUs, otherUs } = readTogether(await openBaseClock(), 'monotonicUs', 'wallUs');
  const lines = readFileSync(stamps, 'utf8').trim().split('\n');
  const began = lines.map((line) => {
    const [ns = '', node = ''] = line.split(' ');
    return { node, beganUs: Number(ns) / 1e3 + otherUs - oneUs };
  });
  return fires.map(({ node, planned, result, lateUs, clockErrorUs: errorUs }) => {
    const plannedUs = Date.parse(planned) * 1_000;
    const own = began.find(
      (one) => one.node === node && Math.abs(one.beganUs - plannedUs) < everyMs * 500,
    );
    if (result !== 'ok' || !own) throw new Error(`${node} at ${planned}: ${result}, no stamp`);
    return { node, plannedUs, beganUs: own.beganUs, lateUs, errorUs };
  });
}

/** By instant: what began then. */
export function byInstant(all: readonly Started[]): Started[][] {
  return [...Map.groupBy(all, ({ plannedUs }) => plannedUs).values()];
}
