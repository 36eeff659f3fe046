/**
 * Many at one instant on one node, armed before it: how far their first instructions are apart,
 * and when the last has run; against gates and forks in C, and croner with spawn.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Cron } from 'croner';
import { launchShim } from '../../src/supervisor/shim.io.ts';
import { digits, type Finding, inTurns, median, quantile, type Row, sleep } from '../measure.ts';

const TEN = 10;
const HUNDRED = 100;
const ROUNDS = 30;
const ARM_MS = 400;
const root = resolve(import.meta.dirname, '../..');

type Started = (planned: { atUs: number; wallMs: number }) => Promise<void>;

/** When each began, after the instant that was planned, in ms. */
class Stamps {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async of(count: number, start: Started): Promise<number[]> {
    rmSync(this.#path, { force: true });
    // A whole second, as croner has no finer ones.
    const wallMs = Math.ceil((Date.now() + ARM_MS) / 1_000) * 1_000;
    const nowUs = Number(process.hrtime.bigint() / 1_000n);
    const atUs =
      nowUs + Math.round((wallMs - (performance.timeOrigin + performance.now())) * 1_000);
    await start({ atUs, wallMs });
    for (;;) {
      const lines = this.#read();
      if (lines.length >= count) return lines.map((ns) => Number(ns) / 1e6 - atUs / 1e3);
      await sleep(20);
    }
  }

  #read(): string[] {
    try {
      return readFileSync(this.#path, 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  }
}

export const burst: Row = {
  name: 'burst',
  limitMs: 175_000,
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'lotc-burst-'));
    try {
      const compiled = ['stamp', 'gate', 'burst'].map((name) => {
        const out = join(directory, name);
        execFileSync('gcc', ['-O2', '-static', '-o', out, join(root, `bench/floor/${name}.c`)]);
        return out;
      });
      const [stamp = '', gate = '', forks = ''] = compiled;
      const path = join(directory, 'stamps');
      const stamps = new Stamps(path);
      const argv: [string, string] = [stamp, path];
      const ours = (count: number) =>
        stamps.of(count, ({ atUs }) => arm(directory, argv, { count, atUs }));
      const gates = () =>
        stamps.of(TEN, async ({ atUs }) => {
          const words = [String(atUs), ...argv];
          const children = Array.from({ length: TEN }, () => spawn(gate, words));
          await Promise.all(children.map((child) => once(child, 'exit')));
        });
      const forked = () =>
        stamps.of(HUNDRED, async ({ atUs }) => {
          await once(spawn(forks, [String(atUs), String(HUNDRED), ...argv]), 'exit');
        });
      const jobs: Cron[] = [];
      const croner = () =>
        stamps.of(TEN, async ({ wallMs }) => {
          const start = (): void => void spawn(stamp, [path], { stdio: 'ignore' });
          for (let n = 0; n < TEN; n += 1) jobs.push(new Cron(new Date(wallMs), start));
        });
      const apart = (some: number[]): number => Math.max(...some) - Math.min(...some);
      const last = (some: number[]): number => Math.max(...some);
      const ten = await inTurns(ROUNDS, [
        ...[async () => apart(await ours(TEN)), async () => apart(await gates())],
        async () => apart(await croner()),
      ]);
      const hundred = await inTurns(ROUNDS / 3, [
        ...[async () => last(await ours(HUNDRED)), async () => last(await forked())],
      ]);
      return findings(ten, hundred);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

let turns = 0;

async function arm(
  directory: string,
  argv: [string, ...string[]],
  { count, atUs }: { count: number; atUs: number },
): Promise<void> {
  turns += 1;
  const own = join(directory, String(turns));
  mkdirSync(own);
  const gone = Array.from({ length: count }, (_, n) => {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const [socket, record] = [join(own, `s${n}`), join(own, `x${n}`)];
    launchShim(
      join(root, 'build/shim'),
      { socket, record, argv, env: [], umask: 0o22, gateAtUs: atUs },
      (event) => {
        if (event.kind === 'detached') done();
      },
    );
    return promise;
  });
  await Promise.all(gone);
  rmSync(own, { recursive: true, force: true });
}

function findings(ten: readonly number[][], hundred: readonly number[][]): Finding[] {
  const [own = [], gates = [], croner = []] = ten;
  const [all = [], forks = []] = hundred;
  const shown = (values: readonly number[]): string =>
    `${digits(median(values))} ms (p99 ${digits(quantile(values, 0.99))})`;
  const toC = median(own) / median(gates);
  const toCron = median(own) / median(croner);
  const toForks = median(all) / median(forks);
  const most = Math.max(...own) / median(own);
  return [
    {
      what: `skew of ${TEN} starts at one instant on one node, armed`,
      figure: shown(own),
      against: `${TEN} C gates: ${shown(gates)}`,
      result: `${toC.toFixed(2)}× p50, most ${most.toFixed(1)}× p50`,
      ...{ goal: '≤ 1.2×, most ≤ 2× p50', met: toC <= 1.2 && most <= 2 },
    },
    {
      what: 'the same against croner and spawn',
      figure: shown(own),
      against: `croner: ${shown(croner)}`,
      result: `${toCron.toFixed(2)}× p50`,
      ...{ goal: '≤ 0.3×', met: toCron <= 0.3 },
    },
    {
      what: `${HUNDRED} at one instant on one node, armed: the last first instruction`,
      figure: shown(all),
      against: `C, forking ${HUNDRED} then: ${shown(forks)}`,
      result: `${toForks.toFixed(2)}× p50`,
      ...{ goal: '≤ 1.5×', met: toForks <= 1.5 },
    },
  ];
}
