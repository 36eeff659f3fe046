/** Order to kill → nothing left of the tree, seen and answered, by both means of containment. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { until } from '../../tests/e2e/fleet.ts';
import { digits, type Finding, quantile, type Row } from '../measure.ts';
import { key, Rig } from '../rig.ts';

/** A mount namespace in which no control group can be written: the tree has to be walked. */
const withoutGroups = [
  ...['unshare', '--mount', '/bin/sh', '-c'],
  'for m in /sys/fs/cgroup /sys/fs/cgroup/unified; do mount -o remount,bind,ro $m; done; exec "$@"',
  'sh',
];
const means = { cgroup: [], walk: withoutGroups } as const;
const sizes = [
  { processes: 200, rounds: 30, goalMs: { cgroup: 100, walk: 100 } },
  { processes: 5_000, rounds: 3, goalMs: { cgroup: 1_000, walk: 2_000 } },
] as const;

export const kills: Row = {
  name: 'kills',
  limitMs: 230_000,
  async run() {
    const found: Finding[] = [];
    for (const by of ['cgroup', 'walk'] as const) {
      await using rig = await Rig.open();
      await rig.startAgents(1, means[by]);
      const behave = rig.path('behave');
      const source = resolve(import.meta.dirname, '../../tests/fixtures/behave.c');
      execFileSync('gcc', ['-O1', '-pthread', '-o', behave, source]);
      for (const size of sizes) {
        const times: number[] = [];
        const task = `herd-${size.processes}`;
        const words = [behave, 'plain', String(size.processes - 1)];
        rig.admin('task', 'create', task, '--cwd', rig.directory, '--', ...words);
        const link = await rig.session();
        for (let round = 0; round < size.rounds; round += 1) {
          await link.request('taskRun', { key: key(), targets: [task], wait: true });
          await until(() => existsSync(rig.path('ready')), 20_000);
          rmSync(rig.path('ready'));
          const body = { key: key(), targets: [task], mode: 'kill', wait: true } as const;
          const beginMs = performance.now();
          await link.request('taskKill', body);
          times.push(performance.now() - beginMs);
        }
        found.push(finding(by, size, times));
      }
    }
    return found;
  },
};

function finding(
  by: keyof typeof means,
  { processes, goalMs }: (typeof sizes)[number],
  times: readonly number[],
): Finding {
  const p99 = quantile(times, 0.99);
  return {
    what: `kill of a tree of ${processes.toLocaleString('en')} (${by}), order → nothing left, journaled`,
    figure: `${digits(quantile(times, 0.5))} ms (p99 ${digits(p99)})`,
    against: '–',
    result: `${digits(p99)} ms p99`,
    goal: `≤ ${goalMs[by].toLocaleString('en')} ms p99`,
    met: p99 <= goalMs[by],
  };
}
