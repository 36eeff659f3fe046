/**
 * A thousand processes by one command, until the last of them has begun: on one node, and at
 * saturation, on fifty of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Link } from '../../src/net/link.io.ts';
import { digits, type Finding, inTurns, median, type Row, sleep } from '../measure.ts';
import { floor, key, node, Rig } from '../rig.ts';

const COUNT = 1_000;
const ROUNDS = 3;
const PATIENCE_MS = 60_000;

export const starts: Row = {
  name: 'starts',
  limitMs: 220_000,
  async run() {
    await using rig = await Rig.open(1);
    const targets = Array.from({ length: COUNT }, (_, n) => `t${n}`);
    const link = await rig.session();
    const order = () => link.request('taskRun', { key: key(), targets });
    return [
      await beside(
        rig,
        { link, targets, order },
        {
          what: `start of ${COUNT} processes by one command, until the last has begun`,
          least: 0.5,
        },
      ),
    ];
  },
};

const AGENTS = 50;

export const saturated: Row = {
  name: 'saturated',
  limitMs: 300_000,
  async run() {
    await using rig = await Rig.open(AGENTS);
    const targets = Array.from({ length: COUNT / AGENTS }, (_, n) => `t${n}`);
    const link = await rig.session();
    const order = () =>
      Promise.all(targets.map((one) => link.request('taskRun', { key: key(), targets: [one] })));
    return [
      await beside(
        rig,
        { link, targets, on: '@all', order },
        {
          what: `${COUNT} short runs on ${AGENTS} agents, each journaled: submit → the last has begun`,
          least: 0.25,
        },
      ),
    ];
  },
};

interface Ordered {
  readonly link: Link;
  readonly targets: readonly string[];
  readonly on?: string;
  /** Starts `COUNT` processes in all. */
  readonly order: () => Promise<unknown>;
}

/** Their starts and those by bare Node, in turns. */
async function beside(
  rig: Rig,
  { link, targets, on, order }: Ordered,
  { what, least }: { readonly what: string; readonly least: number },
): Promise<Finding> {
  const stamp = rig.compile('stamp.c', ['-static']);
  const stamps = rig.path('stamps');
  const spec = { command: [stamp, stamps], on, keepRuns: 1 };
  for (let at = 0; at < targets.length; at += 100) {
    const some = targets.slice(at, at + 100);
    await Promise.all(
      some.map((task) => link.request('taskAdd', { key: key(), task, spec, mode: 'create' })),
    );
  }
  const [ours = [], bare = []] = await inTurns(ROUNDS, [
    async () => {
      const beginMs = nowMs();
      await order();
      const ms = (await lastMs(stamps)) - beginMs;
      await link.request('retWait', { targets, waitFor: 'exited' });
      await sleep(1_000);
      return ms;
    },
    () => spawned(stamp, stamps),
  ]);
  const ratio = median(bare) / median(ours);
  return {
    what,
    figure: `${digits(rate(median(ours)))} /s`,
    against: `Node spawn, 8 at a time: ${digits(rate(median(bare)))} /s`,
    result: `${ratio.toFixed(2)}×`,
    goal: `≥ ${least}×`,
    met: ratio >= least,
  };
}

/** The same by bare Node, until the last has begun, ms. */
async function spawned(stamp: string, stamps: string): Promise<number> {
  const words = [floor('starts.cjs'), String(COUNT), stamp, stamps];
  const beginMs = nowMs();
  await once(spawn(node, words, { stdio: 'ignore' }), 'exit');
  return (await lastMs(stamps)) - beginMs;
}

const rate = (ms: number): number => (COUNT / ms) * 1e3;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** When the last of them began; the file goes. */
async function lastMs(stamps: string): Promise<number> {
  for (const end = nowMs() + PATIENCE_MS; nowMs() < end; await sleep(5)) {
    const lines = existsSync(stamps) ? readFileSync(stamps, 'utf8').trim().split('\n') : [];
    if (lines.length < COUNT) continue;
    rmSync(stamps);
    return Math.max(...lines.map(Number)) / 1e6;
  }
  throw new Error(`${COUNT} never began`);
}
