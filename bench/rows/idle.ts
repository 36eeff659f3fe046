/** What an agent costs that has nothing to do. */
import { cpuMs, digits, median, type Row, residentKiB, sleep } from '../measure.ts';
import { node, Rig } from '../rig.ts';

/** V8 collects what a start left two or three times within the first 45 s of idling. */
const SETTLE_MS = 50_000;
const WATCH_MS = 30_000;

export const idle: Row = {
  name: 'idle',
  limitMs: 120_000,
  async run() {
    await using rig = await Rig.open(1);
    const bare = rig.spawn(node, ['-e', 'setInterval(() => undefined, 1 << 30)']);
    const ours = rig.agents[0]?.pid ?? 0;
    const floor = bare.pid ?? 0;
    await sleep(SETTLE_MS);
    const before = [cpuMs(ours), cpuMs(floor)] as const;
    const resident: [number[], number[]] = [[], []];
    for (let n = 0; n < 10; n += 1) {
      await sleep(WATCH_MS / 10);
      resident[0].push(residentKiB(ours) / 1024);
      resident[1].push(residentKiB(floor) / 1024);
    }
    const percent = (cpuMs(ours) - before[0]) / (WATCH_MS / 100);
    const bareCpu = (cpuMs(floor) - before[1]) / (WATCH_MS / 100);
    const [mib, bareMib] = [median(resident[0]), median(resident[1])];
    return [
      {
        what: 'idle agent, resident',
        figure: `${digits(mib)} MiB`,
        against: `bare Node: ${digits(bareMib)} MiB`,
        result: `${(mib / bareMib).toFixed(2)}×`,
        goal: '≤ 1.8×',
        met: mib <= 1.8 * bareMib,
      },
      {
        what: 'idle agent, CPU (default heartbeat)',
        figure: `${percent.toFixed(3)} % of a core`,
        against: `bare Node: ${bareCpu.toFixed(3)} %`,
        result: `${percent.toFixed(3)} %`,
        goal: '≤ 0.1 %',
        met: percent <= 0.1,
      },
    ];
  },
};
