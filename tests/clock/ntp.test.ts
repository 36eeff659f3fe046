/** The client of time servers against servers of the test's own, over loopback. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { SourceRow } from '../../src/scheduler/clock/rows.ts';
import { attachClock, openClock } from '../../src/scheduler/clock.io.ts';
import type { SystemClock } from '../../src/scheduler/system-clock.ts';
import { type Path, relay } from './relay.ts';
import { type Behaviour, type Responder, respond } from './responder.ts';

const SECOND_US = 1_000_000;

async function asking(
  stack: AsyncDisposableStack,
  responders: readonly Responder[],
  host = '127.0.0.1',
  everyUs = 200_000,
): Promise<SystemClock> {
  const servers = responders.map(({ port }) => ({ name: `${host}:${port}`, host, port }));
  const clock = await openClock({ servers, limits: { minUs: everyUs, maxUs: everyUs } });
  stack.defer(() => clock.close());
  return clock;
}

async function responders(
  stack: AsyncDisposableStack,
  ...behaviours: readonly Behaviour[]
): Promise<Responder[]> {
  return Promise.all(behaviours.map(async (one) => stack.use(await respond(one))));
}

async function until(isTrue: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error('it never came true');
    await sleep(20);
  }
}

const isFollowed = (clock: SystemClock) => (): boolean => clock.facts().source === 'ntp';

function offOf(clock: SystemClock, offsetUs: number): { offUs: number; errorUs: number } {
  const before = Date.now() * 1000;
  const { atUs, errorUs = Number.POSITIVE_INFINITY } = clock.now();
  // Date.now() is cut to a millisecond, and this thread may be interrupted between the two.
  const afterUs = Date.now() * 1000 + 1_000;
  const offUs = Math.max(0, before + offsetUs - atUs, atUs - (afterUs + offsetUs));
  return { offUs, errorUs };
}

test('a server’s time is this clock’s, whatever the system clock says, also to others', async () => {
  await using stack = new AsyncDisposableStack();
  const offsetUs = 7 * SECOND_US;
  const servers = await responders(stack, { offsetUs });
  const clock = await asking(stack, servers);
  await until(isFollowed(clock));
  const { offUs, errorUs } = offOf(clock, offsetUs);
  expect(offUs).toBeLessThanOrEqual(errorUs);
  const facts = clock.facts();
  expect(facts).toMatchObject({ synchronized: true, source: 'ntp', stratum: 2 });
  expect(Math.abs((facts.offsetUs ?? 0) - offsetUs)).toBeLessThan(100_000);
  const [row] = await clock.sources(false);
  expect(row).toMatchObject({ truechimer: true, stratum: 1 });
  const other = await attachClock(clock.shared);
  expect(Math.abs(other.now().atUs - clock.now().atUs)).toBeLessThan(100_000);
});

test('time over IPv6, and over the end of the era in 2036', async () => {
  await using stack = new AsyncDisposableStack();
  const offsetUs = 300_000_000 * SECOND_US;
  const server = stack.use(await respond({ offsetUs }, '::1'));
  const clock = await asking(stack, [server], '::1');
  await until(isFollowed(clock));
  const { offUs, errorUs } = offOf(clock, offsetUs);
  expect(offUs).toBeLessThanOrEqual(errorUs);
  expect(new Date(clock.now().atUs / 1000).getUTCFullYear()).toBeGreaterThanOrEqual(2036);
});

test('a request has a random stamp and tells nothing else; its port changes now and then', async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await responders(stack, {});
  await asking(stack, servers, '127.0.0.1', 50_000);
  const requests = servers[0]?.requests ?? [];
  await until(() => requests.length >= 40, 30_000);
  const stamps = requests.map(({ bytes }) => Buffer.from(bytes.subarray(40)).toString('hex'));
  expect(new Set(stamps).size).toBe(requests.length);
  for (const { bytes } of requests) {
    expect([...bytes.subarray(0, 40)]).toEqual([0x23, ...Array<number>(39).fill(0)]);
    expect(bytes).toHaveLength(48);
  }
  const ports = new Set(requests.map(({ port }) => port));
  expect(ports.size).toBeGreaterThan(1);
  expect(ports.has(123)).toBe(false);
});

/** By their own clocks it is six hours before a midnight at which a leap second may be. */
const beforeLeapUs = (): number => (Date.UTC(2030, 5, 30, 18) - Date.now()) * 1_000;

test('a leap second that most servers announce is smeared, by those that do not as well', async () => {
  await using stack = new AsyncDisposableStack();
  const offsetUs = beforeLeapUs();
  const announcing = { offsetUs, leap: 1 };
  const servers = await responders(stack, announcing, announcing, { offsetUs });
  const clock = await asking(stack, servers);
  // A quarter of the day of the smear is over.
  const smearedUs = offsetUs - SECOND_US / 4;
  const offUs = (): number => Math.abs((clock.facts().offsetUs ?? Number.NaN) - smearedUs);
  await until(() => offUs() < 50_000, 30_000);
  const rows = await clock.sources(true);
  expect(rows.map(({ truechimer }) => truechimer)).toEqual([true, true, true]);
});

test('a leap second that one server of three announces is none', async () => {
  await using stack = new AsyncDisposableStack();
  const offsetUs = beforeLeapUs();
  const servers = await responders(stack, { offsetUs, leap: 1 }, { offsetUs }, { offsetUs });
  const clock = await asking(stack, servers);
  await until(isFollowed(clock));
  // What is announced is looked at once a second.
  await sleep(2_500);
  expect(Math.abs((clock.facts().offsetUs ?? Number.NaN) - offsetUs)).toBeLessThan(50_000);
});

test.each<[string, Behaviour, RegExp]>([
  ['not synchronised (LI 3)', { leap: 3 }, /not synchronised/],
  ['stratum 16', { stratum: 16 }, /not synchronised/],
  ['another origin', { wrongOrigin: true }, /not asked/],
  ['a late T3', { lateUs: 2 * SECOND_US }, /long after/],
  ['a T3 that was not yet', { lateUs: SECOND_US / 2 }, /longer than the exchange/],
  ['RATE', { stratum: 0, kiss: 'RATE' }, /kiss RATE/],
  ['DENY', { stratum: 0, kiss: 'DENY' }, /kiss DENY/],
  ['nonsense', { bytes: 20 }, /nonsense/],
])(
  'a reply that says %s is not believed, and the server is named',
  async (_, behaviour, reason) => {
    await using stack = new AsyncDisposableStack();
    const servers = await responders(stack, { offsetUs: 9 * SECOND_US, ...behaviour });
    const clock = await asking(stack, servers);
    let row: SourceRow | undefined;
    await until(async () => {
      [row] = await clock.sources(false);
      return row?.reason !== undefined && reason.test(row.reason);
    });
    expect(row).toMatchObject({ truechimer: false });
    expect(row?.offsetUs).toBeUndefined();
    expect(clock.facts().source).not.toBe('ntp');
    expect(clock.facts().reason).toBe('no NTP server has answered');
  },
);

test('a server that says RATE is asked less, one that says DENY no more', async () => {
  await using stack = new AsyncDisposableStack();
  const kisses: readonly Behaviour[] = ['RATE', 'DENY'].map((kiss) => ({ stratum: 0, kiss }));
  const servers = await responders(stack, ...kisses);
  const clock = await asking(stack, servers);
  await until(() => servers.every(({ asked }) => asked > 0));
  await sleep(1_500);
  // At 250 ms and then 200 ms it would have been seven times.
  for (const { asked } of servers) expect(asked).toBeLessThanOrEqual(2);
  await clock.sources(true);
  expect(servers[1]?.asked).toBeLessThanOrEqual(2);
});

test('a liar is found among three, and no majority is said where there is none', async () => {
  await using stack = new AsyncDisposableStack();
  const lie = { offsetUs: 5 * SECOND_US };
  const servers = await responders(stack, {}, {}, lie);
  const clock = await asking(stack, servers);
  await until(async () => {
    const rows = await clock.sources(false);
    return rows.map(({ truechimer }) => truechimer).join() === 'true,true,false';
  });
  expect(Math.abs(clock.facts().offsetUs ?? Number.NaN)).toBeLessThan(100_000);
  servers[1]?.become({ offsetUs: -5 * SECOND_US });
  await until(() => clock.facts().reason?.includes('contradict') === true, 20_000);
  expect(offOf(clock, 0).offUs).toBeLessThan(100_000);
});

test('a server that goes silent leaves a clock that knows less and less, and comes back', async () => {
  await using stack = new AsyncDisposableStack();
  const [server] = await responders(stack, {});
  if (!server) throw new Error('no server');
  const clock = await asking(stack, [server]);
  await until(isFollowed(clock));
  server.become({ silent: true });
  // Readings are on their way to the last estimate for a second.
  await sleep(1_200);
  const { errorUs: before } = offOf(clock, 0);
  await sleep(1_000);
  const { errorUs: after, offUs } = offOf(clock, 0);
  // 50 ppm at least, 200 while there is no line to judge the crystal by.
  expect(after - before).toBeGreaterThan(40);
  expect(offUs).toBeLessThanOrEqual(after);
  expect(clock.facts().source).toBe('ntp');
  server.become({});
  await clock.sources(true);
  expect(clock.facts().reason).toBeUndefined();
});

test('a server whose clock jumps is followed again, and listeners hear of it', async () => {
  await using stack = new AsyncDisposableStack();
  const [server] = await responders(stack, {});
  if (!server) throw new Error('no server');
  const clock = await asking(stack, [server]);
  await until(isFollowed(clock));
  let moved = 0;
  clock.onMoved(() => {
    moved += 1;
  });
  const armedUs = clock.monotonicOf(clock.now().atUs + 60 * SECOND_US);
  server.become({ offsetUs: 10 * SECOND_US });
  await until(() => Math.abs((clock.facts().offsetUs ?? 0) - 10 * SECOND_US) < 100_000);
  await until(() => moved > 0);
  const againUs = clock.monotonicOf(clock.now().atUs + 60 * SECOND_US);
  expect(againUs - armedUs).toBeLessThan(20 * SECOND_US);
});

test.each<[string, Path]>([
  ['slow and lossy', { outMs: 5, backMs: 5, jitterMs: 2, loss: 0.1 }],
  ['lopsided', { outMs: 2, backMs: 18, jitterMs: 0.5, loss: 0 }],
])('over a path that is %s every reading is within its bound', async (_, path) => {
  await using stack = new AsyncDisposableStack();
  const [server] = await responders(stack, {});
  if (!server) throw new Error('no server');
  const { port } = stack.use(await relay({ address: '127.0.0.1', port: server.port }, path, 5));
  const servers = [{ name: 'relay', host: '127.0.0.1', port }];
  const clock = await openClock({ servers, limits: { minUs: 100_000, maxUs: 100_000 } });
  stack.defer(() => clock.close());
  await until(isFollowed(clock));
  let worst = 0;
  for (let n = 0; n < 100; n += 1) {
    await sleep(20);
    const { offUs, errorUs } = offOf(clock, 0);
    worst = Math.max(worst, offUs / errorUs);
  }
  expect(worst).toBeLessThanOrEqual(1);
  const [row] = await clock.sources(false);
  expect(row?.delayUs).toBeGreaterThanOrEqual((path.outMs + path.backMs - 2) * 1_000);
});

test('names that mean nothing are said to, and nothing ends because of them', async () => {
  await using stack = new AsyncDisposableStack();
  const servers = ['nowhere.invalid', '127.0.0.1'].map((host) => ({ name: host, host, port: 9 }));
  const clock = await openClock({ servers });
  stack.defer(() => clock.close());
  await until(async () => {
    const rows = await clock.sources(false);
    return rows.every(({ reason }) => reason !== undefined && reason !== 'has not answered');
  });
  const [unresolved, refused] = await clock.sources(false);
  expect(unresolved?.reason).toMatch(/does not resolve \(E/);
  expect(refused?.reason).toMatch(/is not there/);
  expect(clock.now().atUs).toBeGreaterThan(0);
});
