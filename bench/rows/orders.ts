/** One order on one node: how soon the process begins, how soon the server knows of its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { digits, inTurns, median, quantile, type Row, sleep } from '../measure.ts';
import { key, Rig } from '../rig.ts';

const ROUNDS = 100;

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const firstInstruction: Row = {
  name: 'first-instruction',
  limitMs: 90_000,
  async run() {
    await using rig = await Rig.open(1);
    const stamp = rig.compile('stamp.c', ['-static']);
    const stamps = rig.path('stamps');
    rig.admin('task', 'create', 'stamp', '--', stamp, stamps);
    const link = await rig.session();
    let seen = 0;
    const stamped = async (): Promise<number> => {
      for (;;) {
        const lines = existsSync(stamps) ? readFileSync(stamps, 'utf8').split('\n') : [''];
        if (lines.length > seen + 1) {
          seen += 1;
          return Number(lines[seen - 1]) / 1e6;
        }
        await sleep(1);
      }
    };
    const [ours = [], bare = []] = await inTurns(ROUNDS, [
      async () => {
        const beginMs = monotonicMs();
        await link.request('taskRun', { key: key(), targets: ['stamp'], wait: true });
        const ms = (await stamped()) - beginMs;
        await link.request('retWait', { targets: ['stamp'], waitFor: 'exited' });
        return ms;
      },
      async () => {
        const beginMs = monotonicMs();
        const child = spawn(stamp, [stamps], { stdio: 'ignore' });
        await once(child, 'exit');
        return (await stamped()) - beginMs;
      },
    ]);
    const p50 = median(ours) - median(bare);
    const p99 = quantile(ours, 0.99) - quantile(bare, 0.99);
    const against = `bare spawn: ${digits(median(bare))} ms (p99 ${digits(quantile(bare, 0.99))})`;
    return [
      {
        what: 'start command → first instruction, journaled, on an open connection',
        figure: `${digits(median(ours))} ms (p99 ${digits(quantile(ours, 0.99))})`,
        against,
        result: `+${digits(p50)} ms p50, +${digits(p99)} ms p99`,
        goal: '≤ 10 ms, ≤ 25 ms more',
        met: p50 <= 10 && p99 <= 25,
      },
    ];
  },
};

export const died: Row = {
  name: 'died',
  limitMs: 60_000,
  async run() {
    await using rig = await Rig.open(1);
    rig.admin('task', 'create', 'long', '--', '/bin/sleep', '1000');
    const link = await rig.session();
    const [ours = []] = await inTurns(40, [
      async () => {
        await link.request('taskRun', { key: key(), targets: ['long'], wait: true });
        const { processes = [] } = await link.request('retWait', {
          ...{ targets: ['long'], waitFor: 'running' },
        });
        const pid = processes[0]?.pid;
        if (pid === undefined) throw new Error('no pid was told');
        const told = link.request('retWait', { targets: ['long'], waitFor: 'exited' });
        await link.request('ping', {});
        const beginMs = performance.now();
        process.kill(pid, 'SIGKILL');
        await told;
        return performance.now() - beginMs;
      },
    ]);
    return [
      {
        what: "kill -9 of a process → the server's record says exited",
        figure: `${digits(median(ours))} ms (p99 ${digits(quantile(ours, 0.99))})`,
        against: '–',
        result: `${digits(median(ours))} ms p50`,
        goal: '≤ 20 ms p50',
        met: median(ours) <= 20,
      },
    ];
  },
};
