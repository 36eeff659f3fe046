/**
 * True time in a fleet, with Debian's chronyd as the servers and as a second opinion. All ends see
 * the kernel's one clock, so what is true is known: the system clock, plus what is faked.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Chronyd, chronyOffsetUs, ntsLines } from '../clock/chrony.ts';
import { certify } from '../clock/nts-server.ts';
import { Fleet, until } from './fleet.ts';

interface Row {
  readonly node: string;
  readonly offsetUs: number | null;
  readonly errorUs: number | null;
  readonly source: string;
  readonly stratum: number | null;
  readonly relative: boolean;
  readonly reason: string | null;
  readonly servers: readonly {
    readonly host: string;
    readonly offsetUs: number | null;
    readonly interval: { readonly lowUs: number; readonly highUs: number } | null;
    readonly truechimer: boolean;
    readonly error: string | null;
  }[];
}

const SECOND_US = 1_000_000;
const HOUR_US = 3_600 * SECOND_US;
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

async function rowOf(fleet: Fleet, node: string): Promise<Row> {
  const [row] = await fleet.json<Row[]>(['sync', '--on', node]);
  if (!row) throw new Error(`no row of ${node}`);
  return row;
}

/** The row as soon as it is as wanted: a machine may be busy when it starts. */
async function rowWhere(fleet: Fleet, node: string, isWanted: (row: Row) => boolean): Promise<Row> {
  let row = await rowOf(fleet, node);
  await until(
    async () => isWanted(row) || isWanted((row = await rowOf(fleet, node))),
    20_000,
    () => JSON.stringify(row),
  );
  return row;
}

const within = ({ offsetUs, errorUs }: Row, trueUs = 0): boolean =>
  Math.abs((offsetUs ?? Number.NaN) - trueUs) <= (errorUs ?? Number.NaN);

test('a fleet on time: two good servers and a liar, over IPv4 and IPv6', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  const [one, two, liar] = ['t1', 't2', 'liar'].map((name) => fleet.place(name));
  if (!one || !two || !liar) throw new Error('no places');
  for (const { name, netns } of [one, two]) {
    stack.use(await Chronyd.serve(netns, fleet.directory, { name }));
  }
  const via = ['faketime', '-f', '+5s'];
  stack.use(await Chronyd.serve(liar.netns, fleet.directory, { name: 'liar', via }));
  const hosts = [`${one.ipv4}`, `[${two.ipv6}]:123`, `${liar.ipv4}:123`];
  await fleet.server('s', [], ['--ntp', `${one.ipv6}`]);
  const ntp = [...hosts, 'nowhere.invalid'].flatMap((host) => ['--ntp', host]);
  const agent = await fleet.agent('n1', 'both', ntp);
  await fleet.agent('n2');
  await fleet.online('n1', 'n2');

  const believed = ({ servers }: Row): string => servers.map((row) => row.truechimer).join();
  const row = await rowWhere(fleet, 'n1', (now) => believed(now) === 'true,true,false,false');
  expect(row).toMatchObject({ source: 'ntp', stratum: 2, relative: false });
  expect(within(row), JSON.stringify(row)).toBe(true);
  expect(row.errorUs).toBeLessThan(50_000);
  const [first, second, wrong, unknown] = row.servers;
  expect(row.servers.map(({ host }) => host)).toEqual([...hosts, 'nowhere.invalid']);
  for (const good of [first, second]) {
    expect(good?.interval?.lowUs).toBeLessThanOrEqual(0);
    expect(good?.interval?.highUs).toBeGreaterThanOrEqual(0);
  }
  expect(Math.abs((wrong?.offsetUs ?? 0) - 5 * SECOND_US)).toBeLessThan(50_000);
  expect(unknown?.error).toMatch(/does not resolve/);

  // The other opinion of the same server.
  const chronyUs = chronyOffsetUs(fleet.place('n1').netns, `${one.ipv4}`);
  expect(Math.abs(chronyUs - (row.offsetUs ?? Number.NaN))).toBeLessThanOrEqual(row.errorUs ?? 0);

  // A node without servers of its own learns from ours, which knows.
  const learnt = await rowWhere(fleet, 'n2', ({ source }) => source !== 'system');
  expect(['server', 'kernel']).toContain(learnt.source);
  expect(within(learnt), JSON.stringify(learnt)).toBe(true);

  // Stopped for a while, it knows less, and is not wrong.
  agent.child.kill('SIGSTOP');
  await sleep(1_500);
  agent.child.kill('SIGCONT');
  expect(within(await rowOf(fleet, 'n1'))).toBe(true);
  await until(async () => {
    const node = await fleet.json<{ clock: Row & { synchronized: boolean } }>([
      'node',
      'show',
      'n1',
    ]);
    return node.clock.synchronized && node.clock.source === 'ntp' && within(node.clock);
  });

  const { stdout } = await fleet.admin(['ping', '--on', 'n1', '--json']);
  const ping = JSON.parse(stdout) as Record<string, number>;
  const { outUs = 0, backUs = 0, wayErrorUs = -1, rttUs = 0 } = ping;
  expect(outUs + wayErrorUs).toBeGreaterThanOrEqual(0);
  expect(backUs + wayErrorUs).toBeGreaterThanOrEqual(0);
  expect(outUs + backUs).toBeLessThanOrEqual(rttUs + 1_000);
});

test('the system clock of a node is stepped by a day, and true time stays', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  const { netns, ipv4 } = fleet.place('t1');
  stack.use(await Chronyd.serve(netns, fleet.directory, { name: 't1' }));
  await fleet.server('s', [], ['--ntp', `${ipv4}`]);
  const fake = fleet.path('faketimerc');
  writeFileSync(fake, '+0');
  const env = ['FAKETIME_NO_CACHE=1', 'DONT_FAKE_MONOTONIC=1', `FAKETIME_TIMESTAMP_FILE=${fake}`];
  const via = ['env', `LD_PRELOAD=${FAKETIME}`, ...env];
  await fleet.agent('n1', 'both', ['--ntp', `${ipv4}`], via);
  await fleet.online('n1');
  const before = await rowWhere(fleet, 'n1', ({ source }) => source === 'ntp');
  expect(within(before), JSON.stringify(before)).toBe(true);
  for (const hours of [24, -24]) {
    writeFileSync(fake, `${hours > 0 ? '+' : ''}${hours * 3_600}`);
    const after = await rowOf(fleet, 'n1');
    expect(after).toMatchObject({ source: 'ntp', reason: null });
    expect(within(after, -hours * HOUR_US), JSON.stringify(after)).toBe(true);
  }
});

test('on an island the fleet has one time, and says that it is relative', async () => {
  await using fleet = new Fleet();
  const server = await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
  const row = await rowWhere(fleet, 'n1', ({ source }) => source !== 'system');
  // Where the kernel says that it is synchronised, there is no island.
  if (row.source === 'kernel') {
    expect(row.errorUs).toBeGreaterThan(0);
    return;
  }
  expect(row).toMatchObject({ source: 'server', relative: true });
  expect(row.errorUs).toBeGreaterThan(0);
  expect(await fleet.json(['node', 'show', 'n1'])).toMatchObject({
    clock: { synchronized: false },
  });
  // A bound on the clock is then one on how far the nodes are apart: it is known, and serves.
  await fleet.must(['task', 'create', 'nap', '--', '/bin/sleep', '1000']);
  await fleet.must(['start', 'nap', '--in', '1s', '--max-clock-error', '5s']);
  await fleet.must(['wait', 'nap', '--for', 'running', '--timeout', '20s']);
  const [fire] = await fleet.json<{ clockErrorUs: number }[]>(['fires', '--task', 'nap']);
  expect(fire?.clockErrorUs).toBeGreaterThan(0);
  const [source] = row.servers;
  expect(source?.interval?.lowUs).toBeLessThanOrEqual(0);
  expect(source?.interval?.highUs).toBeGreaterThanOrEqual(0);
  const { stderr, stdout } = await fleet.admin(['sync']);
  expect(stderr).toContain('relative');
  expect(stdout).toMatch(/n1 .*server .*relative/);
  expect(readFileSync(server.log, 'utf8')).not.toContain('ExperimentalWarning');
});

test('authentic time from chronyd, over IPv4 and IPv6; none from one with a strange certificate', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  const [good, bad] = ['good', 'bad'].map((name) => {
    const { netns, ipv4, ipv6 } = fleet.place(name);
    const alt = `DNS:${name}.example,IP:${ipv4},IP:${ipv6}`;
    return { name, netns, ipv4, ipv6, ...certify(fleet.directory, name, alt) };
  });
  if (!good || !bad) throw new Error('no places');
  const serve = async (one: typeof good, name = one.name): Promise<Chronyd> =>
    stack.use(await Chronyd.serve(one.netns, fleet.directory, { name, lines: ntsLines(one) }));
  const before = await serve(good);
  await serve(bad);
  const via = ['env', `SSL_CERT_FILE=${good.certificate}`];
  await fleet.server('s', via, ['--ntp', `nts:${good.ipv4}`]);
  const hosts = [`nts:${good.ipv4}`, `nts:[${good.ipv6}]:4460`, `nts:${bad.ipv4}`];
  const agent = async (name: string, ...servers: string[]): Promise<Row> => {
    const flags = servers.flatMap((host) => ['--ntp', host]);
    const from = servers[0]?.includes('[') ? 'ipv6' : servers.length === 1 ? 'ipv4' : 'both';
    await fleet.agent(name, from, flags, via);
    await fleet.online(name);
    return rowWhere(fleet, name, (row) => row.source === 'ntp' && row.stratum !== null);
  };
  const [ipv4 = '', ipv6 = ''] = hosts;
  for (const row of [await agent('n4', ipv4), await agent('n6', ipv6)]) {
    expect(row).toMatchObject({ source: 'ntp', stratum: 2, reason: null });
    expect(row.servers).toMatchObject([{ truechimer: true, error: null }]);
    expect(within(row), JSON.stringify(row)).toBe(true);
    expect(row.errorUs).toBeLessThan(50_000);
  }
  await agent('n7', ...hosts);
  const refused = ({ servers }: Row): boolean => servers[2]?.error !== null;
  const row = await rowWhere(fleet, 'n7', refused);
  expect(row.servers[2]?.error).toMatch(/gives no keys \(NTS\)/);
  expect(row.servers.map(({ truechimer }) => truechimer)).toEqual([true, true, false]);

  // The same server with other keys: old cookies mean nothing to it, and new ones are got.
  await before[Symbol.asyncDispose]();
  await serve(good, 'again');
  await sleep(2_500);
  const after = await rowWhere(fleet, 'n4', ({ servers }) => servers[0]?.error === null);
  expect(after.servers).toMatchObject([{ truechimer: true }]);
  expect(within(after), JSON.stringify(after)).toBe(true);
});
