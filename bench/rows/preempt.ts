/**
 * A start that preempts, on a node whose only slot is taken, against the same start on one whose
 * slot is free: from the order, on an open connection, to the program's first instruction.
 */
import { existsSync, readFileSync } from 'node:fs';
import { digits, inTurns, median, quantile, type Row, sleep } from '../measure.ts';
import { key, Rig } from '../rig.ts';

const ROUNDS = 100;
const ONE_SLOT = ['/usr/bin/env', 'LOTC_SLOTS=1'];

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const preempt: Row = {
  name: 'preempt',
  limitMs: 120_000,
  async run() {
    await using rig = await Rig.open();
    await rig.startAgents(2, ONE_SLOT);
    const stamp = rig.compile('stamp.c', ['-static']);
    const link = await rig.session();
    rig.admin('task', 'create', 'low', '--on', 'n1', '--', '/bin/sleep', '1000');
    rig.admin('start', 'low', '--wait');
    for (const [task, on] of [
      ['taken', 'n1'],
      ['free', 'n2'],
    ] as const) {
      const words = ['--on', on, '--priority', '9', '--preempt'];
      rig.admin('task', 'create', task, ...words, '--', stamp, rig.path(task));
    }
    const seen = { taken: 0, free: 0 };
    const start = async (task: 'taken' | 'free'): Promise<number> => {
      const beginMs = monotonicMs();
      await link.request('taskRun', { key: key(), targets: [task], wait: true });
      seen[task] += 1;
      for (;;) {
        const file = rig.path(task);
        const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [''];
        if (lines.length <= seen[task]) {
          await sleep(1);
          continue;
        }
        await link.request('retWait', { targets: [task], waitFor: 'exited' });
        await link.request('retWait', { targets: ['low'], waitFor: 'running' });
        return Number(lines[seen[task] - 1]) / 1e6 - beginMs;
      }
    };
    const [taken = [], free = []] = await inTurns(ROUNDS, [
      () => start('taken'),
      () => start('free'),
    ]);
    const p50 = median(taken) - median(free);
    const p99 = quantile(taken, 0.99) - quantile(free, 0.99);
    return [
      {
        what: 'preempting start: order → first instruction, one process suspended for it',
        figure: `${digits(median(taken))} ms (p99 ${digits(quantile(taken, 0.99))})`,
        against: `plain start: ${digits(median(free))} ms (p99 ${digits(quantile(free, 0.99))})`,
        result: `+${digits(p50)} ms p50, +${digits(p99)} ms p99`,
        goal: '≤ 20 ms more, p99',
        met: p99 <= 20,
      },
    ];
  },
};
