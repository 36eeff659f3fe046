/**
 * Armed firings of a schedule through a real agent, by the stamps of their programs and by the
 * ledger: at rest; while the agent is as busy as it gets (content arrives, output is followed, a
 * thousand processes are sampled); and with the agent stopped, or dead, once they are armed.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { digits, type Finding, quantile, type Row, sleep } from '../measure.ts';
import { end, executable, Rig } from '../rig.ts';
import { noise } from './push.ts';

const GIB = 1 << 30;
const EVERY_MS = 200;
const FIRINGS = 200;
/** 200 runs of five processes each; where the machine is small, that is all of it. */
const RUNS = 200;
const AWAY_MS = 2_500;
const ROUNDS = 8;
/** Of what was armed, what fires so long after the agent went is without it for certain. */
const GONE_MS = 200;

interface Fire {
  readonly run: string | null;
  readonly planned: string;
  readonly lateUs: number | null;
  readonly result: string | null;
}

interface Late {
  readonly atMs: number;
  readonly ledgerMs: number;
  /** From the instant to the first instruction of the program. */
  readonly stampMs: number;
}

const usOf = (instant: string): number =>
  Date.parse(`${instant.slice(0, 19)}Z`) * 1e3 + Number(instant.slice(20, 26));

/** What CLOCK_REALTIME is more than CLOCK_MONOTONIC, µs. */
const realUs = (): number =>
  (performance.timeOrigin + performance.now()) * 1e3 - Number(process.hrtime.bigint()) / 1e3;

class Beat {
  readonly #rig: Rig;
  readonly #stamps: string;
  #name = '';
  #count = 0;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.#stamps = rig.path('stamps');
    const stamp = rig.compile('stamp.c', ['-static']);
    const words = ['--keep-runs', '10', '--', stamp, this.#stamps, 'LOTC_RUN'];
    rig.admin('task', 'create', 'beat', ...words);
  }

  begin(): void {
    this.#count += 1;
    this.#name = `beat-${this.#count}`;
    const rule = ['--every', `${EVERY_MS}ms`, '--overlap', 'allow'];
    this.#rig.admin('start', 'beat', ...rule, '--schedule-name', this.#name);
  }

  /** Ends it; what it fired, by instant. */
  async over(): Promise<Late[]> {
    this.#rig.admin('schedule', 'rm', this.#name);
    await sleep(3_000);
    const lines = readFileSync(this.#stamps, 'utf8').trim().split('\n');
    const stamps = new Map(lines.map((line) => line.split(' ').toReversed() as [string, string]));
    const [row] = JSON.parse(this.#rig.admin('sync', '--json')) as { offsetUs: number }[];
    const trueUs = realUs() + (row?.offsetUs ?? 0);
    const fires = JSON.parse(this.#rig.admin('fires', '--task', 'beat', '--json')) as (Fire & {
      schedule: string;
    })[];
    return fires.flatMap(({ schedule, run, planned, lateUs, result }) => {
      const ns = stamps.get(run ?? '');
      if (schedule !== this.#name || result !== 'ok' || ns === undefined) return [];
      const plannedUs = usOf(planned);
      const stampMs = (Number(ns) / 1e3 + trueUs - plannedUs) / 1e3;
      return [{ atMs: plannedUs / 1e3, ledgerMs: (lateUs ?? Number.NaN) / 1e3, stampMs }];
    });
  }
}

export const fired: Row = {
  name: 'fired',
  limitMs: 420_000,
  async run() {
    await using rig = await Rig.open(1);
    const beat = new Beat(rig);
    beat.begin();
    await sleep(FIRINGS * EVERY_MS);
    const idle = await beat.over();
    const stopped = await without(rig, beat, 'SIGSTOP');
    const dead = await without(rig, beat, 'SIGKILL');
    const { busy, what } = await whileBusy(rig, beat);
    return [
      finding(`with the agent busy (${what})`, busy, idle),
      finding('with the agent stopped once they are armed', stopped, idle),
      finding('with the agent dead once they are armed', dead, idle),
    ];
  },
};

/** Those that fired while nobody was there. */
async function without(rig: Rig, beat: Beat, signal: 'SIGSTOP' | 'SIGKILL'): Promise<Late[]> {
  const gone: [number, number][] = [];
  beat.begin();
  for (let round = 0; round < ROUNDS; round += 1) {
    await sleep(3_000);
    const fromMs = Date.now();
    const agent = rig.agents.at(-1);
    agent?.kill(signal);
    await sleep(AWAY_MS);
    gone.push([fromMs + GONE_MS, Date.now()]);
    if (signal === 'SIGSTOP') agent?.kill('SIGCONT');
    else rig.resumeAgent(1);
    await rig.online(1);
  }
  const all = await beat.over();
  return all.filter(({ atMs }) => gone.some(([from, to]) => atMs > from && atMs < to));
}

async function whileBusy(rig: Rig, beat: Beat): Promise<{ busy: Late[]; what: string }> {
  const many = Array.from({ length: RUNS }, (_, n) => `many${n}`);
  const four = 'for i in 1 2 3 4; do sleep 1000 & done; wait';
  for (const name of many) rig.admin('task', 'create', name, '--', 'sh', '-c', four);
  rig.admin('start', ...many, '--wait', '--timeout', '180s');
  const speech = 'while :; do seq 1 2000; sleep 0.1; done';
  rig.admin('task', 'create', 'talk', '--', 'sh', '-c', speech);
  rig.admin('start', 'talk', '--wait');
  const followed = rig.spawn(executable(), ['admin', 'logs', 'talk', '-f'], rig.env);
  followed.stdout?.resume();
  const path = rig.path('content');
  noise(path, GIB);
  beat.begin();
  await sleep(2_000);
  const fromMs = Date.now();
  let pushes = 0;
  while (Date.now() - fromMs < FIRINGS * EVERY_MS) {
    pushes += 1;
    await ended(
      rig.spawn(executable(), ['admin', 'load', path, '--name', `c${pushes}`, '--wait'], rig.env),
    );
    noise(path, GIB);
  }
  const toMs = Date.now();
  const all = await beat.over();
  await end(followed);
  const busy = all.filter(({ atMs }) => atMs > fromMs && atMs < toMs);
  return { busy, what: `${pushes} GiB of content, logs followed, ${RUNS * 5} processes sampled` };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => void child.once('exit', () => resolve()));
}

function finding(what: string, some: readonly Late[], idle: readonly Late[]): Finding {
  const shown = (all: readonly Late[]): string => {
    const stamps = all.map(({ stampMs }) => stampMs);
    const ledger = all.map(({ ledgerMs }) => ledgerMs);
    const [p50, p99] = [quantile(stamps, 0.5), quantile(stamps, 0.99)];
    return `${digits(p50)} ms (p99 ${digits(p99)}; ledger p99 ${digits(quantile(ledger, 0.99))}; ${all.length} firings)`;
  };
  const p99 = (all: readonly Late[]): number =>
    quantile(
      all.map(({ stampMs }) => stampMs),
      0.99,
    );
  const times = p99(some) / p99(idle);
  return {
    what: `planned instant → first instruction, by a real agent, ${what}`,
    figure: shown(some),
    against: `idle: ${shown(idle)}`,
    result: `${times.toFixed(2)}× p99`,
    ...{ goal: '≤ 1.2×', met: times <= 1.2 },
  };
}
