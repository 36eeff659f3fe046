/** A sign of life of a program in a run, taken by its shim when the sender has ended. */
import { existsSync, readFileSync } from 'node:fs';
import { until } from '../../tests/e2e/fleet.ts';
import { digits, median, quantile, type Row, ratio } from '../measure.ts';
import { executable, floor, node, Rig } from '../rig.ts';

const ROUNDS = 40;
const LIMIT_MS = 60_000;

type Way = 'notify' | 'tool' | 'node' | 'fork';

export const notify: Row = {
  name: 'notify',
  limitMs: LIMIT_MS,
  async run() {
    await using rig = await Rig.open(1);
    const out = rig.path('times');
    const words = [node, floor('notifying.cjs'), out, String(ROUNDS), executable()];
    rig.admin('task', 'create', 'speaks', '--', ...words);
    rig.admin('start', 'speaks');
    await until(
      () => existsSync(out),
      LIMIT_MS,
      () => rig.admin('logs', 'speaks'),
    );
    const times = JSON.parse(readFileSync(out, 'utf8')) as Record<Way, number[]>;
    const ms = median(times.tool);
    const goal = { most: 1.3, against: 'node -e 0' };
    return [
      ratio(
        '`lotc notify` in a run, until the shim has taken it',
        [times.notify, times.node],
        goal,
      ),
      {
        what: '`lotc-notify`, the same',
        figure: `${digits(ms)} ms (p99 ${digits(quantile(times.tool, 0.99))})`,
        against: `\`true\`, forked alike: ${digits(median(times.fork))} ms`,
        result: `${digits(ms)} ms`,
        goal: '≤ 2 ms',
        met: ms <= 2,
      },
    ];
  },
};
