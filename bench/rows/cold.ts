/** A console's cold process: what a shell script pays for each command. */
import { inTurns, type Row, ratio, timeProcess } from '../measure.ts';
import { Bare, executable, node, Rig } from '../rig.ts';

const ROUNDS = 25;

export const version: Row = {
  name: 'version',
  limitMs: 30_000,
  async run() {
    const [ours = [], floor = []] = await inTurns(ROUNDS, [
      () => timeProcess(executable(), ['--version']),
      () => timeProcess(node, ['-e', '0']),
    ]);
    const goal = { most: 1.15, against: 'node -e 0' };
    return [ratio('`lotc --version`, cold', [ours, floor], goal)];
  },
};

export const ps: Row = {
  name: 'ps',
  limitMs: 45_000,
  async run() {
    await using rig = await Rig.open();
    await using bare = await Bare.open();
    const [ours = [], floor = [], start = []] = await inTurns(ROUNDS, [
      () => timeProcess(executable(), ['admin', 'ps'], rig.env),
      () => timeProcess(node, bare.ask),
      () => timeProcess(node, ['-e', '0']),
    ]);
    const against = 'bare Node, one mutual-TLS round trip';
    return [
      ratio('`lotc admin ps`, cold', [ours, floor], { most: 1.15, against }),
      {
        ...ratio('the same', [ours, start], { most: 0, against: 'node -e 0' }),
        ...{ goal: '(2.4×)', met: undefined },
      },
    ];
  },
};

export const startWait: Row = {
  name: 'start-wait',
  limitMs: 60_000,
  async run() {
    await using rig = await Rig.open(1);
    await using bare = await Bare.open();
    rig.admin('task', 'create', 'quick', '--', '/bin/true');
    const [ours = [], floor = []] = await inTurns(ROUNDS, [
      async () => {
        const ms = await timeProcess(executable(), ['admin', 'start', 'quick', '--wait'], rig.env);
        await timeProcess(executable(), ['admin', 'wait', 'quick'], rig.env);
        return ms;
      },
      () => timeProcess(node, bare.ask),
    ]);
    const against = 'bare Node, one mutual-TLS round trip';
    return [ratio('`lotc admin start --wait`, cold', [ours, floor], { most: 1.3, against })];
  },
};
