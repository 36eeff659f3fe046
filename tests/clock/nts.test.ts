/** Authentic time: a server of the test's own, honest and not, over loopback. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import type { SourceRow } from '../../src/scheduler/clock/rows.ts';
import { openClock } from '../../src/scheduler/clock.io.ts';
import type { SystemClock } from '../../src/scheduler/system-clock.ts';
import { removeTree } from '../fixtures/remove.ts';
import { certify, type Mood, serveNts } from './nts-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'lotc-nts-'));
afterAll(() => removeTree(directory));

const good = certify(directory, 'good', 'IP:127.0.0.1');
const old = certify(directory, 'old', 'IP:127.0.0.1', '-30d');
const later = certify(directory, 'later', 'IP:127.0.0.1', '+30d');
const other = certify(directory, 'other', 'DNS:time.example');
const stranger = certify(directory, 'stranger', 'IP:127.0.0.1');
const trusted = [good, old, later, other].map(({ certificate }) => readFileSync(certificate));
const bundle = join(directory, 'ca.pem');
writeFileSync(bundle, trusted.join(''));
// Read when keys are first asked for, once a process.
process.env['SSL_CERT_FILE'] = bundle;

const SECOND_US = 1_000_000;
const offsetUs = 3 * SECOND_US;

async function asking(stack: AsyncDisposableStack, port: number): Promise<SystemClock> {
  const host = '127.0.0.1';
  const servers = [{ name: `nts:${host}:${port}`, host, port, nts: true }];
  const clock = await openClock({ servers, limits: { minUs: 200_000, maxUs: 200_000 } });
  stack.defer(() => clock.close());
  return clock;
}

async function until(isTrue: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error('it never came true');
    await sleep(20);
  }
}

async function rowWhere(clock: SystemClock, reason: RegExp): Promise<SourceRow> {
  let row: SourceRow | undefined;
  await until(async () => {
    [row] = await clock.sources(false);
    return row?.reason !== undefined && reason.test(row.reason);
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${row?.reason}`);
  });
  if (!row) throw new Error('no row');
  return row;
}

const isFollowed = (clock: SystemClock) => (): boolean => clock.facts().source === 'ntp';

test('time comes sealed, for longer than the first cookies last, from one establishment', async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(good, { offsetUs }));
  const clock = await asking(stack, server.port);
  await until(isFollowed(clock));
  await until(() => server.asked > 20);
  expect(server.keyed).toBe(1);
  const { offsetUs: found = 0, clockErrorUs = 0, reason } = clock.facts();
  expect(reason).toBeUndefined();
  // The test's server has its clock from two readings of a busy machine.
  expect(Math.abs(found - offsetUs)).toBeLessThan(clockErrorUs + 5_000);
  const [row] = await clock.sources(false);
  expect(row).toMatchObject({ truechimer: true, stratum: 1, address: '127.0.0.1' });
});

test.each<[string, Mood, RegExp]>([
  ['was altered on its way', 'altered', /not authentic/],
  ['is no NTS at all', 'plain', /not asked \(NTS identifier\)/],
  ['says that keys are unknown', 'nak', /NTS NAK/],
])('a reply that %s is never a sample, also where nothing else comes', async (_, mood, reason) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(good, { offsetUs }));
  server.become(mood);
  const clock = await asking(stack, server.port);
  const row = await rowWhere(clock, reason);
  await until(() => server.asked >= 4 || mood === 'nak');
  expect(row).toMatchObject({ truechimer: false });
  expect(row.offsetUs).toBeUndefined();
  expect(clock.facts().source).not.toBe('ntp');
  if (mood === 'nak') {
    await sleep(1_500);
    // New keys once and at once would be two; then they are waited for.
    expect(server.keyed).toBeLessThanOrEqual(1);
  }
});

test('a reply that was given before is refused, and time goes on from what is known', async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(good, { offsetUs }));
  const clock = await asking(stack, server.port);
  await until(isFollowed(clock));
  server.become('replaying');
  await rowWhere(clock, /not asked \(NTS identifier\)/);
  expect(Math.abs((clock.facts().offsetUs ?? 0) - offsetUs)).toBeLessThan(100_000);
  server.become('honest');
  await until(async () => (await clock.sources(false))[0]?.reason === undefined);
});

test.each<[string, Mood, RegExp]>([
  ['a server that lost its keys', 'forgetful', /NTS NAK/],
  ['a server that gives no new cookies', 'stingy', /every NTS cookie was spent/],
])('%s is asked for new ones, and time comes again', async (_, mood, reason) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(good, { offsetUs }));
  const clock = await asking(stack, server.port);
  await until(isFollowed(clock));
  let seen = false;
  const asked = server.asked;
  server.become(mood);
  await until(async () => {
    const [row] = await clock.sources(false);
    seen ||= reason.test(row?.reason ?? '');
    return server.keyed >= 2;
  });
  expect(mood === 'forgetful' || server.asked - asked >= 8).toBe(true);
  expect(mood === 'stingy' || seen).toBe(true);
  server.become('honest');
  await until(async () => (await clock.sources(false))[0]?.reason === undefined);
  expect(clock.facts().source).toBe('ntp');
});

test('a silent server costs the cookies, and is named', async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(good, { offsetUs }));
  server.become('silent');
  const clock = await asking(stack, server.port);
  await rowWhere(clock, /every NTS cookie was spent/);
  expect(server.asked).toBe(8);
  await sleep(1_000);
  expect([server.keyed, server.asked]).toEqual([1, 8]);
});

test.each([
  ['of nobody we know', stranger, {}, /no keys \(NTS\).*self.signed/i],
  ['of another name', other, {}, /no keys \(NTS\).*127\.0\.0\.1/],
  ['that has expired', old, {}, /no longer valid by this machine/],
  ['that is not valid yet', later, {}, /not yet valid by this machine/],
  ['that is good, from a server without AES-SIV', good, { aead: 30 }, /AES-SIV/],
  ['that is good, from a server of something else', good, { alpn: 'h2' }, /no keys|not speak NTS/],
])('a certificate %s: no keys, no time', async (_, certificate, wish, reason) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveNts(certificate, { offsetUs, ...wish }));
  const clock = await asking(stack, server.port);
  const row = await rowWhere(clock, reason);
  expect(row).toMatchObject({ truechimer: false });
  expect(row.offsetUs).toBeUndefined();
  expect(server.asked).toBe(0);
  expect(clock.facts().source).not.toBe('ntp');
});

test('nobody there, and a time at which the certificate is not valid', async () => {
  await using stack = new AsyncDisposableStack();
  const nobody = await asking(stack, 9);
  await rowWhere(nobody, /no keys \(NTS\).*ECONNREFUSED/);
  const server = stack.use(await serveNts(good, { offsetUs: 40 * 86_400 * SECOND_US }));
  const clock = await asking(stack, server.port);
  await rowWhere(clock, /certificate that is not valid at the time it says/);
  expect(clock.facts().source).not.toBe('ntp');
});
