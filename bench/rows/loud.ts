/** One process that writes 100 MB a second: what it costs, and what stays on the disk. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs, digits, median, type Row } from '../measure.ts';
import { key, Rig } from '../rig.ts';

const ROUNDS = 3;
const SECONDS = 6;
const MiB = 2 ** 20;
const BOUND_MIB = 64;

export const loud: Row = {
  name: 'loud',
  limitMs: 120_000,
  async run() {
    await using rig = await Rig.open(1);
    const program = rig.compile('loud.c', ['-static']);
    const said = rig.path('said');
    rig.admin('task', 'create', 'loud', '--', program, String(SECONDS), said);
    const link = await rig.session();
    const agent = rig.agents[0]?.pid ?? 0;
    const [writes, bare, cpu, most]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = cpuMs(agent);
      const beginMs = performance.now();
      await link.request('taskRun', { key: key(), targets: ['loud'], wait: true });
      let stayed = 0;
      const watch = setInterval(() => {
        stayed = Math.max(stayed, logMiB(rig));
      }, 20);
      await link.request('retWait', { targets: ['loud'], waitFor: 'exited' });
      clearInterval(watch);
      cpu.push(((cpuMs(agent) - before) / (performance.now() - beginMs)) * 100);
      most.push(stayed);
      writes.push(tookMs(said));

      const file = rig.path('plain');
      const out = openSync(file, 'w');
      await once(spawn(program, [String(SECONDS), said], { stdio: ['ignore', out, out] }), 'exit');
      bare.push(tookMs(said));
      rmSync(file);
    }
    const [wall, plain] = [median(writes), median(bare)];
    return [
      {
        what: `${SECONDS} s of 100 MB/s by one process: the agent's CPU`,
        figure: `${digits(median(cpu))} % of a core`,
        against: '–',
        result: `${digits(median(cpu))} %`,
        goal: '≤ 5 %',
        met: median(cpu) <= 5,
      },
      {
        what: 'the same, its time from begin to end',
        figure: `${digits(wall)} ms`,
        against: `> file: ${digits(plain)} ms`,
        result: `${(wall / plain).toFixed(3)}×`,
        goal: '≤ 1.05×',
        met: wall <= 1.05 * plain,
      },
      {
        what: 'the same, the most that its logs took on the disk (--log-max 64 MiB)',
        figure: `${digits(Math.max(...most))} MiB`,
        against: `${SECONDS * 100} MB written`,
        result: `${digits(Math.max(...most))} MiB`,
        goal: '≤ 64 MiB and 0.1 s of output',
        met: Math.max(...most) <= BOUND_MIB + 10e6 / MiB,
      },
    ];
  },
};

/** All of the program's time, by itself: the second number of its last line. */
function tookMs(said: string): number {
  const line = readFileSync(said, 'utf8').trim().split('\n').at(-1) ?? '';
  return Number(line.split(' ')[1]) / 1e6;
}

function logMiB(rig: Rig): number {
  const runs = join(rig.path('a1'), 'private/runs');
  const sizes = readdirSync(runs).map((run) => {
    const file = statSync(join(runs, run, 'logs/stdout'), { throwIfNoEntry: false });
    return ((file?.blocks ?? 0) * 512) / MiB;
  });
  return Math.max(0, ...sizes);
}
