/**
 * `kill -9` of a supervised process → the first instruction of its successor, which says so itself
 * (bench/floor/stay.c). Nobody waits before a restart: backoff 0, `startsecs` 0. Rivals stand in
 * build/rivals, where bench/rivals has put them; without it the floors alone are there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { digits, type Finding, inTurns, quantile, type Row, sleep } from '../measure.ts';
import { floor, node, Rig } from '../rig.ts';

const ROUNDS = 60;
/** Supervisors that call a process of less than a second unstable wait longer before the next. */
const LIVES_MS = 1_200;
const PATIENCE_MS = 8_000;
const rivals = resolve(import.meta.dirname, '../../build/rivals');

interface Side {
  readonly name: string;
  readonly file: string;
}

export const restart: Row = {
  name: 'restart',
  limitMs: 400_000,
  async run() {
    await using rig = await Rig.open(1);
    const stay = rig.compile('stay.c', ['-static']);
    const side = (name: string): Side => ({ name, file: rig.path(`stay-${name}`) });
    const [ours, c, bare] = [side('lotc'), side('C'), side('Node')];
    rig.admin(
      ...['task', 'create', 'stay', '--restart', 'always', '--backoff', '0ms..0ms'],
      ...['--', stay, ours.file],
    );
    rig.admin('start', 'stay', '--wait');
    rig.spawn(stay, [c.file, 'keep']);
    rig.spawn(node, [floor('keep.cjs'), stay, bare.file]);
    const others = existsSync(rivals) ? startRivals(rig, stay, side) : [];
    const sides = [ours, c, bare, ...others];
    await sleep(3_000);
    const measured = await inTurns(
      ROUNDS,
      sides.map((one) => () => killed(one)),
    );
    for (const stop of stops.splice(0)) stop();
    return findings(sides, measured);
  },
};

const stops: (() => void)[] = [];

function last({ file }: Side): { readonly count: number; readonly pid: number; atMs: number } {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  const [pid = 0, atNs = 0] = (lines.at(-1) ?? '').split(' ').map(Number);
  return { count: lines.length, pid, atMs: atNs / 1e6 };
}

/** Milliseconds; infinite where nothing came. */
async function killed(side: Side): Promise<number> {
  const livedMs = Number(process.hrtime.bigint()) / 1e6 - last(side).atMs;
  if (livedMs < LIVES_MS) await sleep(LIVES_MS - livedMs);
  const { count, pid } = last(side);
  const beginMs = Number(process.hrtime.bigint()) / 1e6;
  process.kill(pid, 'SIGKILL');
  while (Number(process.hrtime.bigint()) / 1e6 < beginMs + PATIENCE_MS) {
    const now = last(side);
    if (now.count > count) return now.atMs - beginMs;
    await sleep(1);
  }
  return Number.POSITIVE_INFINITY;
}

function startRivals(rig: Rig, stay: string, side: (name: string) => Side): Side[] {
  const [runit, supervisord, pm2] = [side('runit'), side('supervisord'), side('PM2')];
  const service = rig.path('service');
  mkdirSync(service);
  writeFileSync(join(service, 'run'), `#!/bin/sh\nexec ${stay} ${runit.file}\n`, { mode: 0o755 });
  rig.spawn(join(rivals, 'usr/bin/runsv'), [service]);

  const config = rig.path('supervisord.conf');
  const own = [`logfile=${rig.path('sup.log')}`, `pidfile=${rig.path('sup.pid')}`, 'nodaemon=true'];
  const program = ['[program:stay]', `command=${stay} ${supervisord.file}`, 'startsecs=0'];
  const lines = ['[supervisord]', ...own, ...program, 'autorestart=true', 'startretries=1000'];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const packages = join(rivals, 'usr/lib/python3/dist-packages');
  rig.spawn('python3', [join(rivals, 'usr/bin/supervisord'), '-c', config], {
    PYTHONPATH: packages,
  });

  const PM2_HOME = rig.path('pm2');
  const script = join(rivals, 'npm/node_modules/pm2/bin/pm2');
  const pm2Run = (...words: string[]): void =>
    void execFileSync(node, [script, ...words], {
      env: { PATH: process.env['PATH'] ?? '', HOME: rig.directory, PM2_HOME },
      stdio: 'ignore',
    });
  const options = ['--interpreter', 'none', '--name', 'stay', '--max-restarts', '100000'];
  pm2Run('start', stay, ...options, '--', pm2.file);
  stops.push(() => pm2Run('kill'));
  return [runit, supervisord, pm2];
}

function findings(sides: readonly Side[], measured: readonly (readonly number[])[]): Finding[] {
  const of = new Map(sides.map(({ name }, at) => [name, measured[at] ?? []]));
  const p = (name: string, part: number): number => quantile(of.get(name) ?? [], part);
  const shown = (name: string): string =>
    `${digits(p(name, 0.5))} ms (p99 ${digits(p(name, 0.99))})`;
  const toNode = p('lotc', 0.5) / p('Node', 0.5);
  const rest = sides.slice(3).map(({ name }) => `${name} ${shown(name)}`);
  const found: Finding[] = [
    {
      what: '`kill -9` of a process → first instruction of its successor (backoff 0)',
      figure: shown('lotc'),
      against: `bare Node, exit → spawn: ${shown('Node')}; C: ${shown('C')}`,
      result: `${toNode.toFixed(2)}× Node, ${(p('lotc', 0.5) / p('C', 0.5)).toFixed(2)}× C p50`,
      goal: '≤ 1.6× Node p50',
      met: toNode <= 1.6,
    },
  ];
  if (rest.length === 0) return found;
  found.push({
    what: 'the same against supervisors',
    figure: shown('lotc'),
    against: rest.join('; '),
    result: `${(p('lotc', 0.5) / p('PM2', 0.5)).toFixed(2)}× PM2, ${(p('lotc', 0.5) / p('runit', 0.5)).toFixed(2)}× runit p50`,
    goal: '< PM2 p50, ≤ PM2 p99',
    met: p('lotc', 0.5) < p('PM2', 0.5) && p('lotc', 0.99) <= p('PM2', 0.99),
  });
  return found;
}
