/** The instant that was planned → the first instruction of a program that was armed before it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Cron } from 'croner';
import { launchShim } from '../../src/supervisor/shim.io.ts';
import { digits, type Finding, inTurns, quantile, type Row, sleep } from '../measure.ts';

const ROUNDS = 200;
const ARM_US = 40_000;
/** A process of its own has to hear that it is armed, and be gone by then. */
const AWAY_US = 500_000;
const SETTLE_MS = 100;
const root = resolve(import.meta.dirname, '../..');

const preciseMs = (): number => performance.timeOrigin + performance.now();
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

export const gate: Row = {
  name: 'gate',
  limitMs: 175_000,
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'lotc-gate-'));
    try {
      const compiled = ['stamp', 'gate'].map((name) => compile(directory, name));
      const [stamp = '', floor = ''] = compiled;
      const stamps = join(directory, 'stamps');
      const lateMs = (plannedUs: number): number => {
        const at = Number(readFileSync(stamps, 'utf8').trim()) / 1e3 - plannedUs;
        rmSync(stamps);
        return at / 1e3;
      };
      const sides = [
        async () => {
          const plannedUs = nowUs() + ARM_US;
          await fire(directory, [stamp, stamps], plannedUs);
          return lateMs(plannedUs);
        },
        async () => {
          const plannedUs = nowUs() + ARM_US;
          await once(spawn(floor, [String(plannedUs), stamp, stamps], { stdio: 'ignore' }), 'exit');
          return lateMs(plannedUs);
        },
        async () => {
          const plannedUs = nowUs() + ARM_US;
          await sleep(ARM_US / 1_000);
          await once(spawn(stamp, [stamps], { stdio: 'ignore' }), 'exit');
          return lateMs(plannedUs);
        },
        async () => {
          const { promise, resolve: begun } = Promise.withResolvers<number>();
          const wallMs = Date.now() + ARM_US / 1_000;
          const plannedUs = nowUs() + Math.round((wallMs - preciseMs()) * 1_000);
          const job = new Cron(new Date(wallMs), async () => {
            await once(spawn(stamp, [stamps], { stdio: 'ignore' }), 'exit');
            begun(plannedUs);
          });
          const ms = lateMs(await promise);
          job.stop();
          return ms;
        },
      ];
      const [idle = [], c = [], node = [], croner = []] = await inTurns(ROUNDS, sides);
      const [busy = []] = await inTurns(ROUNDS / 4, [() => whileBusy(sides[0] ?? unarmed)]);
      const without = (signal: NodeJS.Signals) => async () => {
        const plannedUs = await fireWithout(signal, [directory, String(AWAY_US), stamp, stamps]);
        await sleep((plannedUs - nowUs()) / 1_000 + SETTLE_MS);
        return lateMs(plannedUs);
      };
      const [stopped = [], dead = []] = await inTurns(ROUNDS / 10, [
        ...[without('SIGSTOP'), without('SIGKILL')],
      ]);
      return [
        ...findings(idle, busy, c, node),
        cronerFinding(idle, croner),
        ...awayFindings(idle, stopped, dead),
      ];
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

function compile(directory: string, name: string): string {
  const out = join(directory, name);
  const source = join(root, `bench/floor/${name}.c`);
  execFileSync('gcc', ['-O2', '-static', '-o', out, source]);
  return out;
}

function fire(directory: string, argv: [string, ...string[]], gateAtUs: number): Promise<void> {
  const { promise, resolve: gone } = Promise.withResolvers<void>();
  const [socket, record] = [join(directory, 'socket'), join(directory, 'exit')];
  rmSync(record, { force: true });
  launchShim(
    join(root, 'build/shim'),
    { socket, record, argv, env: [], umask: 0o22, gateAtUs },
    (event) => {
      if (event.kind === 'detached') gone();
    },
  );
  return promise;
}

function cronerFinding(idle: readonly number[], croner: readonly number[]): Finding {
  const times = quantile(idle, 0.5) / quantile(croner, 0.5);
  return {
    what: 'the same against croner and spawn',
    figure: `${digits(quantile(idle, 0.5))} ms`,
    against: `croner: ${digits(quantile(croner, 0.5))} ms (p99 ${digits(quantile(croner, 0.99))})`,
    result: `${times.toFixed(2)}× p50`,
    ...{ goal: '≤ 0.2×', met: times <= 0.2 },
  };
}

/** Armed by a process that gets the signal before the instant, which is the answer. */
async function fireWithout(signal: NodeJS.Signals, words: readonly string[]): Promise<number> {
  const armer = spawn(process.execPath, [join(root, 'bench/arm.ts'), ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [said] = (await once(armer.stdout, 'data')) as [Buffer];
  armer.kill(signal);
  const plannedUs = Number(said.toString());
  // What was frozen until it had fired is no longer wanted then.
  setTimeout(() => armer.kill('SIGKILL'), (plannedUs - nowUs()) / 1_000 + SETTLE_MS / 2);
  return plannedUs;
}

function awayFindings(idle: readonly number[], ...away: readonly (readonly number[])[]): Finding[] {
  return ['stopped', 'dead'].map((what, n) => {
    const own = away[n] ?? [];
    const times = quantile(own, 0.99) / quantile(idle, 0.99);
    return {
      what: `the same with the process that armed it ${what}`,
      figure: `${digits(quantile(own, 0.5))} ms (p99 ${digits(quantile(own, 0.99))})`,
      against: `idle: p99 ${digits(quantile(idle, 0.99))} ms`,
      result: `${times.toFixed(2)}× p99`,
      ...{ goal: '≤ 1.2×', met: times <= 1.2 },
    };
  });
}

function unarmed(): Promise<number> {
  return Promise.reject(new Error('there is nothing to fire'));
}

/** The loop of this process, which has armed it, does nothing but work while the instant comes. */
async function whileBusy(side: () => Promise<number>): Promise<number> {
  const late = side();
  await sleep(ARM_US / 2_000);
  for (const endUs = nowUs() + ARM_US; nowUs() < endUs; );
  return late;
}

function findings(
  idle: readonly number[],
  busy: readonly number[],
  c: readonly number[],
  node: readonly number[],
): Finding[] {
  const [shown, floor, timer] = [idle, c, node].map(
    (values) => `${digits(quantile(values, 0.5))} ms (p99 ${digits(quantile(values, 0.99))})`,
  );
  const against = (other: readonly number[], part: number): number =>
    quantile(idle, part) / quantile(other, part);
  const [p50, p99] = [against(c, 0.5), against(c, 0.99)];
  const toTimer = against(node, 0.5);
  const loaded = quantile(busy, 0.99) / quantile(idle, 0.99);
  return [
    {
      what: 'planned instant → first instruction, armed',
      figure: shown ?? '',
      against: `C gate opened from outside: ${floor}`,
      result: `${p50.toFixed(2)}× p50, ${p99.toFixed(2)}× p99`,
      goal: '≤ 1.0×',
      met: p50 <= 1 && p99 <= 1,
    },
    {
      what: 'the same against a timer and spawn',
      figure: shown ?? '',
      against: `Node timer and spawn: ${timer}`,
      result: `${toTimer.toFixed(2)}× p50`,
      goal: '≤ 0.2×',
      met: toTimer <= 0.2,
    },
    {
      what: 'the same while the loop that armed it is blocked',
      figure: `${digits(quantile(busy, 0.5))} ms (p99 ${digits(quantile(busy, 0.99))})`,
      against: `idle: ${shown}`,
      result: `${loaded.toFixed(2)}× p99`,
      goal: '≤ 1.2×',
      met: loaded <= 1.2,
    },
  ];
}
