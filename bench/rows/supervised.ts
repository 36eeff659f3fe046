/** What a supervised process costs beyond its own memory: its shim, and the growth of the agent. */
import { readdirSync, readFileSync } from 'node:fs';
import { digits, type Row, residentKiB, sleep } from '../measure.ts';
import { key, Rig } from '../rig.ts';

const COUNT = 400;

export const supervised: Row = {
  name: 'supervised',
  limitMs: 150_000,
  async run() {
    await using rig = await Rig.open(1);
    const link = await rig.session();
    const targets = Array.from({ length: COUNT }, (_, n) => `t${n}`);
    const spec = { command: ['/bin/sleep', '1000'], keepRuns: 1 };
    for (const task of targets) {
      await link.request('taskAdd', { key: key(), task, spec, mode: 'create' });
    }
    const agent = rig.agents[0]?.pid ?? 0;
    const start = () => link.request('taskRun', { key: key(), targets, wait: true });
    // The first time also the agent itself grows to what it needs for as many at once.
    await start();
    await link.request('taskKill', { key: key(), targets, mode: 'kill', wait: true });
    await sleep(12_000);
    const before = residentKiB(agent);
    await start();
    await sleep(12_000);
    const grown = Math.max(0, residentKiB(agent) - before) / COUNT;
    const shims = childrenOf(agent);
    const each = shims.reduce((sum, pid) => sum + pssKiB(pid), 0) / shims.length / 1024;
    return [
      {
        what: `memory of a shim, proportional share (${shims.length} of them)`,
        figure: `${each.toFixed(3)} MiB`,
        against: 's6-supervise 0.13, runsv 0.12, a dash 0.22 MiB on a machine of this kind',
        result: `${each.toFixed(3)} MiB`,
        goal: '≤ 0.25 MiB',
        met: each <= 0.25,
      },
      {
        what: `growth of the agent per supervised process, at ${COUNT}`,
        figure: `${digits(grown)} KiB`,
        against: '–',
        result: `${digits(grown)} KiB`,
        goal: '≤ 20 KiB',
        met: grown <= 20,
      },
    ];
  },
};

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

const pssKiB = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
