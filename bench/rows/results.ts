/** Result files: a gigabyte of one run, and of ten nodes, from the program's end to the console. */
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digits, inTurns, median, type Row, sleep, timeProcess } from '../measure.ts';
import { Bare, executable, floor, node, Rig } from '../rig.ts';
import { noise, peakMiB } from './push.ts';

/** The most that is kept of a run is 1 GiB, the archive's own headers with it. */
const NEARLY_GIB = 1_000 * 2 ** 20;
const HUNDRED_MB = 100_000_000;

/** A program that has its file ready, and ends when it is told to. */
const program = (source: string, go: string): string =>
  `cp ${source} big && : >made && while [ ! -e ${go} ]; do sleep 0.02; done`;

/** From the end of the programs until their files are here, ms. */
async function fetched(rig: Rig, turn: number, count: number, source: string): Promise<number> {
  const [task, go, into] = [`made${turn}`, rig.path(`go${turn}`), rig.path(`here${turn}`)];
  const command = ['--', 'sh', '-c', program(source, go)];
  rig.admin('task', 'create', task, '--results', 'big', ...command);
  rig.admin('start', task, '--wait');
  const dirs = JSON.parse(rig.admin('ps', task, '--json')) as { node: string; run: string }[];
  const isMade = ({ node: name, run }: { node: string; run: string }): boolean => {
    try {
      return statSync(join(rig.path(`a${name.slice(1)}`), 'runs', run, 'work/made')).isFile();
    } catch {
      return false;
    }
  };
  while (!dirs.every(isMade)) await sleep(100);
  mkdirSync(into);
  const beginMs = performance.now();
  writeFileSync(go, '');
  await timeProcess(executable(), ['admin', 'wait', task], rig.env);
  await timeProcess(executable(), ['admin', 'results', task, '-C', into], rig.env);
  const ms = performance.now() - beginMs;
  for (const { node: name, run } of dirs.slice(0, count))
    if (statSync(join(into, name, run, 'big')).size !== statSync(source).size) throw new Error(run);
  rig.admin('task', 'rm', task);
  rmSync(into, { recursive: true });
  return ms;
}

async function receiver(bare: Bare, name: string): Promise<string> {
  const words = ['receive', bare.path('server.json'), bare.path(name)];
  const child = bare.spawn(node, [floor('hop.cjs'), ...words]);
  const [line] = child.stdout ? ((await once(child.stdout, 'data')) as [Buffer]) : [''];
  return line.toString().trim();
}

const send = (bare: Bare, file: string, port: string): Promise<number> =>
  timeProcess(node, [floor('hop.cjs'), 'send', bare.path('client.json'), file, port]);

/** Each file to the server's side, then to the console's, durable at each end, ms. */
async function twoHops(bare: Bare, ports: readonly (readonly [string, string])[], source: string) {
  const beginMs = performance.now();
  await Promise.all(ports.map(([first]) => send(bare, source, first)));
  for (const [at, [, last]] of ports.entries()) await send(bare, bare.path(`first${at}`), last);
  return performance.now() - beginMs;
}

async function measure(count: number, sizeBytes: number, turns: number) {
  await using rig = await Rig.open(count);
  await using bare = await Bare.open();
  const source = rig.path('noise');
  noise(source, sizeBytes);
  const ports: [string, string][] = [];
  for (let at = 0; at < count; at += 1)
    ports.push([await receiver(bare, `first${at}`), await receiver(bare, `last${at}`)]);
  const before = peakMiB(rig.pid);
  let turn = 0;
  const [ours = [], hops = []] = await inTurns(turns, [
    () => {
      turn += 1;
      return fetched(rig, turn, count, source);
    },
    () => twoHops(bare, ports, source),
  ]);
  return { ours, hops, grownMiB: peakMiB(rig.pid) - before };
}

export const results: Row = {
  name: 'results',
  limitMs: 300_000,
  async run() {
    const one = await measure(1, NEARLY_GIB, 2);
    const ten = await measure(10, HUNDRED_MB, 2);
    const row = (what: string, { ours, hops }: typeof one) => {
      const speed = median(hops) / median(ours);
      return {
        what: `${what}, from the program's end to the console`,
        figure: `${digits(median(ours) / 1_000)} s`,
        against: `two bare TLS hops, write + fdatasync at each end: ${digits(median(hops) / 1_000)} s`,
        ...{ result: `${Math.round(speed * 100)} %`, goal: '≥ 60 %', met: speed >= 0.6 },
      };
    };
    return [
      row('1,000 MiB of results of one run', one),
      row('100 MB of results from each of ten nodes', ten),
      {
        what: 'the same, peak memory of the server',
        figure: `+${digits(one.grownMiB)} MiB for one, +${digits(ten.grownMiB)} MiB for ten`,
        ...{ against: 'before', result: '', goal: 'flat', met: undefined },
      },
    ];
  },
};
