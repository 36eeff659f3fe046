/**
 * How well the clock knows the time, and how soon, against Debian's chronyd on the same path and
 * server. All ends see this kernel's one clock, so the truth is an offset of zero. Short by
 * default; LOTC_BENCH_CLOCK_S=600 watches each path for ten minutes.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openClock } from '../../src/scheduler/clock.io.ts';
import { digits, type Finding, median, quantile, type Row, sleep } from '../measure.ts';

const WATCH_S = Number(process.env['LOTC_BENCH_CLOCK_S'] ?? 25);
const WARM_MS = 12_000;
const EVERY_MS = 250;
const SERVER_PORT = 11_923;
const ROUNDS = 3;

interface Way {
  readonly what: string;
  /** Out, back and jitter in ms, loss; undefined: loopback as it is. */
  readonly path: readonly number[] | undefined;
  readonly most: number;
}

const ways: readonly Way[] = [
  { what: 'loopback', path: undefined, most: 2 },
  { what: '5/5 ms, jitter 1 ms, 5 % lost', path: [5, 5, 1, 0.05], most: 1 },
  { what: '20/20 ms, jitter 10 ms, 10 % lost', path: [20, 20, 10, 0.1], most: 1 },
];

class Scene implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'lotc-clock-'));
  readonly #children: ChildProcess[] = [];

  spawn(words: readonly string[]): ChildProcess {
    const [program = '', ...rest] = words;
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#children.push(child);
    return child;
  }

  /** A chronyd with these lines; the place of its command socket. */
  chronyd(name: string, lines: readonly string[]): string {
    const home = join(this.#directory, name);
    mkdirSync(home, { mode: 0o700 });
    const all = [...lines, 'cmdport 0', `bindcmdaddress ${home}/sock`, `pidfile ${home}/pid`];
    writeFileSync(join(home, 'conf'), `${all.join('\n')}\n`);
    this.spawn(['/usr/sbin/chronyd', '-d', '-x', '-u', 'root', '-f', join(home, 'conf')]);
    return join(home, 'sock');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Offset and bound of a chronyd client, µs. */
function tracking(socket: string): { offUs: number; boundUs: number } | undefined {
  const { stdout } = spawnSync('/usr/bin/chronyc', ['-h', socket, '-c', 'tracking'], {
    encoding: 'utf8',
  });
  const fields = stdout.trim().split(',').map(Number);
  const [delay = Number.NaN, dispersion = Number.NaN] = fields.slice(10, 12);
  if (fields[2] === 0 || Number.isNaN(delay)) return undefined;
  return { offUs: Math.abs(fields[4] ?? 0) * 1e6, boundUs: (delay / 2 + dispersion) * 1e6 };
}

async function watch(scene: Scene, { what, path, most }: Way, index: number): Promise<Finding[]> {
  let port = SERVER_PORT;
  if (path) {
    const door = join(import.meta.dirname, '../../tests/clock/door.ts');
    const words = [door, '127.0.0.1', SERVER_PORT, ...path].map(String);
    const { stdout } = scene.spawn([process.execPath, ...words]);
    if (!stdout) throw new Error('no path');
    port = Number(String((await once(stdout, 'data'))[0]));
  }
  const server = `server 127.0.0.1 port ${port} iburst minpoll 0 maxpoll 0`;
  const socket = scene.chronyd(`client${index}`, ['port 0', server]);
  const servers = [{ name: what, host: '127.0.0.1', port }];
  const clock = await openClock({ servers, limits: { minUs: 1e6, maxUs: 1e6 } });
  await sleep(WARM_MS);
  const [ours, theirs, bounds, theirBounds]: number[][] = [[], [], [], []];
  let outside = 0;
  for (const end = performance.now() + WATCH_S * 1_000; performance.now() < end; ) {
    const { offsetUs = Number.NaN, clockErrorUs = Number.NaN } = clock.facts();
    const their = tracking(socket);
    ours?.push(Math.abs(offsetUs));
    bounds?.push(clockErrorUs);
    if (!(Math.abs(offsetUs) <= clockErrorUs)) outside += 1;
    if (their) theirs?.push(their.offUs);
    if (their) theirBounds?.push(their.boundUs);
    await sleep(EVERY_MS);
  }
  await clock.close();
  const p95 = quantile(ours ?? [], 0.95);
  const their95 = quantile(theirs ?? [], 0.95);
  const count = ours?.length ?? 0;
  return [
    {
      what: `clock error, ${what}`,
      figure: `p95 ${digits(p95)} µs (p50 ${digits(median(ours ?? []))})`,
      against: `chronyd -x: p95 ${digits(their95)} µs`,
      result: `${(p95 / their95).toFixed(2)}×`,
      ...{ goal: `≤ ${most}×`, met: p95 <= most * their95 },
    },
    {
      what: `truth within the bound, ${what}`,
      figure: `${count - outside} of ${count}, bound p50 ${digits(median(bounds ?? []))} µs`,
      against: `chronyd: root distance p50 ${digits(median(theirBounds ?? []))} µs`,
      result: `${outside} outside`,
      ...{ goal: '0 outside', met: outside === 0 },
    },
  ];
}

async function firstBound(): Promise<Finding> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  const servers = [{ name: 'chronyd', host: '127.0.0.1', port: SERVER_PORT }];
  for (let round = 0; round < ROUNDS; round += 1) {
    const beginMs = performance.now();
    const clock = await openClock({ servers });
    while (!clock.facts().synchronized) await sleep(2);
    ours.push(performance.now() - beginMs);
    await clock.close();
    const thenMs = performance.now();
    const asked = `server 127.0.0.1 port ${SERVER_PORT} iburst`;
    execFileSync('/usr/sbin/chronyd', ['-Q', '-t', '20', asked], { stdio: 'ignore' });
    theirs.push(performance.now() - thenMs);
  }
  const worst = Math.max(...ours);
  return {
    what: 'time to the first bound',
    figure: `${digits(median(ours))} ms (worst ${digits(worst)})`,
    against: `chronyd -Q: ${digits(median(theirs))} ms`,
    result: `${digits(worst)} ms`,
    ...{ goal: '≤ 1,500 ms', met: worst <= 1_500 },
  };
}

export const clock: Row = {
  name: 'clock',
  limitMs: 60_000 + ways.length * (WARM_MS + WATCH_S * 1_000 + 5_000),
  async run() {
    await using scene = new Scene();
    scene.chronyd('server', ['local stratum 1', 'allow', `port ${SERVER_PORT}`]);
    await sleep(1_000);
    const findings = [await firstBound()];
    for (const [index, way] of ways.entries()) findings.push(...(await watch(scene, way, index)));
    return findings;
  },
};
