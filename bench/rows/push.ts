/** Content: a gigabyte to one agent, the same again, a kill in the middle of it, and ten agents. */
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import type { Link } from '../../src/net/link.io.ts';
import {
  digits,
  inTurns,
  median,
  quantile,
  type Row,
  ratio,
  sleep,
  timeProcess,
} from '../measure.ts';
import { Bare, executable, floor, key, node, Rig } from '../rig.ts';
import { openScp } from './scp.ts';

const MIB = 1 << 20;
const GIB = 1 << 30;

/** Noise: nothing on the way can make it smaller. */
export function noise(path: string, sizeBytes: number): void {
  const buffer = Buffer.alloc(16 * MIB);
  const file = openSync(path, 'w');
  for (let at = 0; at < sizeBytes; at += buffer.length) {
    randomFillSync(buffer);
    writeSync(file, buffer, 0, Math.min(buffer.length, sizeBytes - at));
  }
  closeSync(file);
}

/** Another content of the same size: its first bytes differ. */
function renew(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, randomFillSync(Buffer.alloc(16)), 0, 16, 0);
  closeSync(file);
}

async function receivers(bare: Bare, count: number): Promise<string[]> {
  const ports: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const words = ['receive', bare.path('server.json'), bare.path(`hop-${ports.length}-${at}`)];
    const child = bare.spawn(node, [floor('hop.cjs'), ...words]);
    const [line] = child.stdout ? ((await once(child.stdout, 'data')) as [Buffer]) : [''];
    ports.push(line.toString().trim());
  }
  return ports;
}

/** Both hops, one after the other, each durable at its end. */
async function twoHops(bare: Bare, path: string, ports: readonly string[]): Promise<number> {
  const [first = '', ...last] = ports;
  const send = (file: string, to: readonly string[]): Promise<number> =>
    timeProcess(node, [floor('hop.cjs'), 'send', bare.path('client.json'), file, ...to]);
  return (await send(path, [first])) + (await send(bare.path('hop-0-0'), last));
}

const push = (rig: Rig, path: string, name: string, more: readonly string[] = []) =>
  timeProcess(
    executable(),
    ['admin', 'bundle', 'push', path, '--name', name, '--wait', ...more],
    rig.env,
  );

export const pushOne: Row = {
  name: 'push',
  limitMs: 240_000,
  async run() {
    await using rig = await Rig.open(1);
    await using bare = await Bare.open();
    const path = rig.path('noise');
    noise(path, GIB);
    const ports = await receivers(bare, 2);
    rig.admin('task', 'create', 'victim', '--', '/bin/sleep', '1000');
    const link = await rig.session();
    const quiet: number[] = [];
    for (let n = 0; n < 20; n += 1) quiet.push(await killRoundTrip(link));
    const busy: number[] = [];
    const turn = { push: 0 };
    const [ours = [], hops = []] = await inTurns(2, [
      async () => {
        turn.push += 1;
        renew(path);
        // The warm-up's push is the one that kills are timed in: they cost it time.
        if (turn.push > 1) return push(rig, path, `big${turn.push}`);
        const pushing = { now: true };
        const pushed = push(rig, path, 'big1').finally(() => {
          pushing.now = false;
        });
        while (pushing.now) {
          busy.push(await killRoundTrip(link));
          await sleep(50);
        }
        return pushed;
      },
      () => twoHops(bare, path, ports),
    ]);
    const last = `big${turn.push}`;
    const [again = [], sums = []] = await inTurns(4, [
      () => push(rig, path, last),
      async () => (await timeProcess(node, bare.ask)) + (await timeProcess('sha256sum', [path])),
    ]);
    const speed = median(hops) / median(ours);
    const rate = (ms: number): string => `${digits(ms / 1_000)} s, ${digits(1_024_000 / ms)} MiB/s`;
    const slower = median(busy) / median(quiet);
    return [
      {
        what: 'push of 1 GiB to one agent, verified and unpacked',
        figure: rate(median(ours)),
        against: `two bare TLS hops, write + fdatasync at each end: ${rate(median(hops))}`,
        result: `${Math.round(speed * 100)} %`,
        goal: '≥ 60 %',
        met: speed >= 0.6,
      },
      ratio('the same push again', [again, sums], {
        most: 1.5,
        against: 'bare TLS round trip + sha256sum',
      }),
      {
        what: `kill and its answer while 1 GiB is pushed to the node (${busy.length} kills)`,
        figure: `${digits(median(busy))} ms (p99 ${digits(quantile(busy, 0.99))})`,
        against: `idle: ${digits(median(quiet))} ms (p99 ${digits(quantile(quiet, 0.99))})`,
        result: `${slower.toFixed(2)}×`,
        goal: '≤ 3×',
        met: slower <= 3,
      },
    ];
  },
};

async function killRoundTrip(link: Link): Promise<number> {
  await link.request('taskRun', { key: key(), targets: ['victim'], wait: true });
  await link.request('retWait', { targets: ['victim'], waitFor: 'running' });
  const beginMs = performance.now();
  await link.request('taskKill', { key: key(), targets: ['victim'], wait: true });
  const ms = performance.now() - beginMs;
  await link.request('retWait', { targets: ['victim'], waitFor: 'exited' });
  return ms;
}

export const pushTen: Row = {
  name: 'push-ten',
  limitMs: 240_000,
  async run() {
    await using rig = await Rig.open(10);
    await using bare = await Bare.open();
    const path = rig.path('noise');
    noise(path, 100_000_000);
    const ports = await receivers(bare, 11);
    const scp = await openScp(bare, 10);
    const before = peakMiB(rig.pid);
    let turn = 0;
    const [ours = [], hops = [], copied = []] = await inTurns(3, [
      () => {
        turn += 1;
        renew(path);
        return push(rig, path, `ten${turn}`);
      },
      () => twoHops(bare, path, ports),
      ...(scp ? [() => scp(path)] : []),
    ]);
    rmSync(path);
    const beside = { most: 0.7, against: '`scp` to ten in parallel, nothing synced' };
    const against = 'bare TLS, to the server and on to ten, durable';
    return [
      ratio('push of 100 MB to ten agents', [ours, hops], { most: 1.3, against }),
      ...(scp ? [ratio('the same beside `scp`', [ours, copied], beside)] : []),
      {
        what: 'the same, peak memory of the server',
        figure: `${digits(peakMiB(rig.pid))} MiB`,
        against: `before the first push: ${digits(before)} MiB`,
        ...{ result: `+${digits(peakMiB(rig.pid) - before)} MiB`, goal: 'flat', met: undefined },
      },
    ];
  },
};

export function peakMiB(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
