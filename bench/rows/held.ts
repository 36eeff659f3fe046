/** A tree of 100 held by its node, against the same writes to its cgroup done by hand. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Link } from '../../src/net/link.io.ts';
import { groupMounts } from '../../src/supervisor/tree.ts';
import { digits, type Finding, quantile, type Row, sleep } from '../measure.ts';
import { key, Rig } from '../rig.ts';

const ROUNDS = 40;
const TREE = 100;
const script = `i=1; while [ $i -lt ${TREE} ]; do sleep 1000 & i=$((i+1)); done; exec sleep 1000`;
const acts = ['suspend', 'resume', 'kill'] as const;
type Times = Record<(typeof acts)[number], number[]>;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const tree: Row = {
  name: 'tree',
  limitMs: 200_000,
  async run() {
    const mount = groupMounts(readFileSync('/proc/self/mounts', 'utf8'))[0];
    if (mount === undefined) throw new Error('there is no cgroup v2 here');
    await using rig = await Rig.open(1);
    rig.admin('task', 'create', 'tree', '--', 'sh', '-c', script);
    const link = await rig.session();
    const ours: Times = { suspend: [], resume: [], kill: [] };
    const hand: Times = { suspend: [], resume: [], kill: [] };
    for (let round = 0; round <= ROUNDS; round += 1) {
      const sides = [await byLotc(link, mount), await byHand(rig, mount)] as const;
      if (round === 0) continue;
      for (const act of acts) {
        ours[act].push(sides[0][act]);
        hand[act].push(sides[1][act]);
      }
    }
    return acts.map((act) => finding(act, ours[act], hand[act]));
  },
};

type Once = Record<(typeof acts)[number], number>;

async function byLotc(link: Link, mount: string): Promise<Once> {
  await link.request('taskRun', { key: key(), targets: ['tree'], wait: true });
  const { processes = [] } = await link.request('retWait', {
    ...{ targets: ['tree'], waitFor: 'running' },
  });
  const own = /^0::(.*)$/m.exec(readFileSync(`/proc/${processes[0]?.pid}/cgroup`, 'utf8'))?.[1];
  await full(join(mount, own ?? ''));
  const body = () => ({ key: key(), targets: ['tree'], wait: true });
  return {
    suspend: await timed(() => link.request('taskStop', body())),
    resume: await timed(() => link.request('taskCont', body())),
    kill: await timed(() => link.request('taskKill', { ...body(), mode: 'kill' })),
  };
}

async function byHand(rig: Rig, mount: string): Promise<Once> {
  const group = join(mount, `lotc-bench-${process.pid}`);
  mkdirSync(group);
  const join_ = `echo 0 > ${join(group, 'cgroup.procs')}; ${script}`;
  rig.spawn('sh', ['-c', join_]);
  await full(group);
  const times = {
    suspend: await timed(() => write(group, 'cgroup.freeze', '1', 'frozen 1')),
    resume: await timed(() => write(group, 'cgroup.freeze', '0', 'frozen 0')),
    kill: await timed(() => write(group, 'cgroup.kill', '1', 'populated 0')),
  };
  rmdirSync(group);
  return times;
}

async function full(group: string): Promise<void> {
  const procs = join(group, 'cgroup.procs');
  for (let look = 0; look < 2_000; look += 1) {
    const count = existsSync(procs) ? readFileSync(procs, 'utf8').split('\n').length - 1 : 0;
    if (count === TREE) return;
    await sleep(5);
  }
  throw new Error(`${group} never held ${TREE} processes`);
}

/** Until the kernel says that it is so, as LOTC does before it answers. */
async function write(group: string, file: string, text: string, wanted: string): Promise<void> {
  writeFileSync(join(group, file), text);
  while (!readFileSync(join(group, 'cgroup.events'), 'utf8').includes(wanted)) await sleep(1);
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const beginMs = nowMs();
  await act();
  return nowMs() - beginMs;
}

function finding(act: string, ours: readonly number[], hand: readonly number[]): Finding {
  const more = quantile(ours, 0.99) - quantile(hand, 0.99);
  const shown = (of: readonly number[]): string =>
    `${digits(quantile(of, 0.5))} ms (p99 ${digits(quantile(of, 0.99))})`;
  return {
    what: `${act} of a tree of ${TREE}, order (journaled) → answer`,
    figure: shown(ours),
    against: `cgroup v2 by hand: ${shown(hand)}`,
    result: `${more < 0 ? '−' : '+'}${digits(Math.abs(more))} ms p99`,
    goal: '≤ 10 ms more',
    met: more <= 10,
  };
}
