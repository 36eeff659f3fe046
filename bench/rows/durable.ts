/** Durable commands: one after the other in a `batch`, and as many as go at once. */
import { once } from 'node:events';
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect } from 'node:tls';
import { digits, type Finding, inTurns, median, quantile, type Row } from '../measure.ts';
import { Bare, executable, floor, node, Rig } from '../rig.ts';

const LINES = 100;
const ROUNDS = 5;
/** Bytes of the record that one of the load's commands is in the journal. */
const RECORD_BYTES = '160';

export const batch: Row = {
  name: 'batch',
  limitMs: 60_000,
  async run() {
    await using rig = await Rig.open();
    await using bare = await Bare.open();
    rig.admin('task', 'create', 'web', '--', '/bin/true');
    const console = rig.spawn(executable(), ['admin', 'batch'], rig.env);
    const { stdin, stdout } = console;
    if (!stdin || !stdout) throw new Error('no pipes');
    const socket = connect({
      ...JSON.parse(readFileSync(bare.path('client.json'), 'utf8')),
      checkServerIdentity: () => undefined,
    });
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    const lines: number[] = [];
    const trips: number[] = [];
    const syncs: number[] = [];
    const disk = openSync(rig.path('page'), 'w');
    const page = Buffer.alloc(4_096);
    const timed = async (into: number[], out: NodeJS.ReadableStream, say: () => void) => {
      const beginMs = performance.now();
      const answered = once(out, 'data');
      say();
      await answered;
      into.push(performance.now() - beginMs);
    };
    for (let round = 0; round <= ROUNDS; round += 1) {
      if (round === 1) lines.length = trips.length = syncs.length = 0;
      for (let n = 0; n < LINES; n += 1) {
        const verb = n % 2 === 0 ? 'disable' : 'enable';
        await timed(lines, stdout, () => stdin.write(`task ${verb} web\n`));
        const beginMs = performance.now();
        writeSync(disk, page);
        fdatasyncSync(disk);
        syncs.push(performance.now() - beginMs);
      }
      for (let n = 0; n < LINES; n += 1) await timed(trips, socket, () => socket.write('?'));
    }
    socket.destroy();
    closeSync(disk);
    const ms = median(lines);
    const over = ms - median(syncs);
    return [
      {
        what: 'one line of `batch`, durable',
        figure: `${digits(ms)} ms (p99 ${digits(quantile(lines, 0.99))})`,
        against: `round trip on an open bare TLS connection: ${digits(median(trips))} ms`,
        result: `${digits(ms)} ms; ${(ms / median(trips)).toFixed(1)}×`,
        goal: '≤ 1.5 ms p50',
        met: ms <= 1.5,
      },
      {
        what: 'the same, without what the disk takes',
        figure: `${digits(over)} ms`,
        against: `a page written and synced after each line: ${digits(median(syncs))} ms`,
        ...{ result: `+${digits(over)} ms p50`, goal: '', met: undefined },
      },
    ];
  },
};

export const commands: Row = {
  name: 'commands',
  limitMs: 90_000,
  async run() {
    await using rig = await Rig.open();
    rig.admin('task', 'create', 'web', '--', '/bin/true');
    const measured = async (script: string, args: readonly string[]): Promise<Load> => {
      const child = rig.spawn(node, [script, ...args]);
      const text: string[] = [];
      child.stdout?.on('data', (bytes: Buffer) => text.push(bytes.toString()));
      await once(child, 'close');
      return JSON.parse(text.join('')) as Load;
    };
    const seconds = '3';
    const load = () => measured(`${import.meta.dirname}/../load.ts`, [rig.path('s'), seconds]);
    let round = 0;
    const [ours = [], bare = []] = await inTurns(3, [
      async () => perSecond(await load()),
      async () => {
        round += 1;
        const path = rig.path(`bare-${round}.db`);
        return perSecond(await measured(floor('journal.ts'), [path, seconds, RECORD_BYTES]));
      },
    ]);
    const rate = median(ours);
    const commits = await perCommit();
    return [
      {
        what: 'durable commands per second, 256 in flight over 8 admin sessions',
        figure: `${digits(rate)} /s`,
        against: `the bare journal, 256 callers: ${digits(median(bare))} /s`,
        result: `${(rate / median(bare)).toFixed(2)}×`,
        goal: '≥ 8,000 /s',
        met: rate >= 8_000,
      },
      commits,
    ];
  },
};

interface Load {
  readonly count: number;
  readonly ms: number;
}

const perSecond = ({ count, ms }: Load): number => (count * 1_000) / ms;

/** The same load on a server whose calls of fdatasync are counted: its own run, for it costs. */
async function perCommit(): Promise<Finding> {
  await using rig = new Rig();
  const library = rig.compile('count-syncs.c', ['-shared', '-fPIC']);
  const counter = rig.path('syncs');
  writeFileSync(counter, Buffer.alloc(8));
  await rig.startServer({ LD_PRELOAD: library, COUNT_SYNCS: counter });
  rig.admin('task', 'create', 'web', '--', '/bin/true');
  const syncs = (): number => Number(readFileSync(counter).readBigUInt64LE());
  const child = rig.spawn(node, [`${import.meta.dirname}/../load.ts`, rig.path('s'), '3']);
  const text: string[] = [];
  const before = syncs();
  child.stdout?.on('data', (bytes: Buffer) => text.push(bytes.toString()));
  await once(child, 'close');
  const { count } = JSON.parse(text.join('')) as Load;
  const each = count / (syncs() - before);
  return {
    what: 'commands a commit, the same load',
    figure: `${digits(count)} commands, ${syncs() - before} syncs of the disk`,
    against: '–',
    result: `${digits(each)} a sync`,
    goal: '≥ 20 a commit',
    met: each >= 20,
  };
}
