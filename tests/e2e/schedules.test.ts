/** Schedules by the compiled executable: wrong input, one object for many nodes, the ledger. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { splayOf } from '../../src/scheduler/rule.ts';
import { Fleet, type Result, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;
beforeAll(async () => {
  fleet = new Fleet();
  server = await fleet.server();
  await Promise.all([fleet.agent('n1', 'both', ['--label', 'zone=a']), fleet.agent('n2')]);
  await fleet.online('n1', 'n2');
  await fleet.must(['task', 'create', 'web', '--', 'sleep', '1000']);
});
afterAll(() => fleet[Symbol.asyncDispose]());

interface Schedule {
  readonly id: string;
  readonly next: readonly string[];
  readonly paused: boolean;
  readonly pausedOn: readonly string[];
}

interface Fire {
  readonly schedule: string;
  readonly node: string;
  readonly run: string | null;
  readonly planned: string;
  readonly fired: string | null;
  readonly lateUs: number | null;
  readonly clockErrorUs: number | null;
  readonly result: string | null;
  readonly reason: string | null;
}

const admin = (line: string, ...more: string[]): Promise<Result> =>
  fleet.admin([...line.split(' '), ...more]);

function expectError(result: Result, code: number, ...words: string[]): void {
  expect(result).toMatchObject({ code, stdout: '' });
  for (const word of words) expect(result.stderr).toContain(word);
}

/** Firings that are over, once there are so many. */
async function fires(least: number, ...words: string[]): Promise<readonly Fire[]> {
  let found: readonly Fire[] = [];
  await until(
    async () => {
      found = await fleet.json<Fire[]>(['fires', ...words]);
      return found.filter(({ result }) => result !== null).length >= least;
    },
    20_000,
    () => `${least} firings: ${JSON.stringify(found)}`,
  );
  return found;
}

test('what is no schedule is 2, and says what would be one', async () => {
  expectError(await admin('start web --every 1ms'), 2, '100ms');
  expectError(await admin('start web --every 1m --count 0'), 2, '--count');
  expectError(await admin('start web --every soon'), 2, 'soon');
  expectError(await admin('start web --at tomorrow'), 2, 'tomorrow');
  expectError(await admin('start web --at 2027-02-30T00:00:00Z'), 2, '2027-02-30');
  expectError(await admin('start web --cron', '* * *'), 2, '3 fields');
  expectError(await admin('start web --cron', '61 * * * *'), 2, '61');
  expectError(await admin('start web --tz Mars/Base --cron', '* * * * *'), 2, 'Mars/Base');
  expectError(await admin('start web --in 1s --every 1s'), 2, '--at, --in, --every and --cron');
  expectError(await admin('start web --in 1s --schedule-name Nightly'), 2, 'Nightly');
  expectError(await admin('start web --in 1s --missed never'), 2, 'skip, once, all');
  expectError(await admin('stop R0123456789A --in 1s'), 2, 'R0123456789A');
  expectError(await admin('schedule pause'), 2, '--on');
});

test('what cannot be is 8 or 4', async () => {
  expectError(await admin('start web --at 2020-01-01T00:00:00Z'), 8, '--missed once');
  expectError(await admin('start web --at 2020-01-01T00:00:00Z --missed all'), 8);
  expectError(await admin('start web --cron', '0 0 31 2 *'), 8, 'never');
  expectError(await admin('start web --every 1m --until 2020-01-01T00:00:00Z'), 8);
  expectError(await admin('start nope --in 1s'), 4, 'nope');
  expectError(await admin('start web --in 1s --on zone=z'), 4, 'zone=z');
  expectError(await admin('schedule rm nope'), 4, 'nope');
  expectError(await admin('schedule show nope'), 4, 'nope');
  expectError(await admin('schedule next nope'), 4, 'nope');
  expectError(await admin('schedule pause --task web'), 4, 'web');
  expectError(await admin('fires --task nope'), 4, 'nope');
  expect(await fleet.json(['schedule', 'ls'])).toEqual([]);
});

test('a rule of six fields that fires every second is shown for what it is', async () => {
  const { code, stdout, stderr } = await admin(
    'stop web --schedule-name often --cron',
    '* * * * * *',
  );
  expect([code, stdout]).toEqual([0, 'often\n']);
  expect(stderr).toContain('every second');
  expect(stderr.match(/\d{4}-\d\d-\d\dT[0-9:.]+Z/g)).toHaveLength(5);
  await fleet.must(['schedule', 'rm', 'often']);
});

test('one object, durable: listed, repeated, in conflict, paused, over a kill of the server', async () => {
  const nightly = ['--cron', '30 2 * * *', '--tz', 'Europe/Warsaw', '--schedule-name', 'nightly'];
  expect(await fleet.must(['start', 'web', ...nightly])).toBe('nightly\n');
  expect(await fleet.must(['start', 'web', ...nightly])).toBe('nightly\n');
  expectError(await fleet.admin(['stop', 'web', ...nightly]), 8, 'nightly', 'schedule rm');
  await fleet.must(['schedule', 'pause', 'nightly', '--on', 'zone=a']);
  await server.stop('SIGKILL');
  server = await fleet.server();
  const shown = await fleet.json<Schedule>(['schedule', 'show', 'nightly']);
  expect(shown).toMatchObject({ id: 'nightly', paused: false, pausedOn: ['n1'] });
  expect(shown).toMatchObject({ task: 'web', action: 'start', spec: { tz: 'Europe/Warsaw' } });
  expect(shown.next).toHaveLength(5);
  const next = await fleet.json<object[]>(['schedule', 'next', 'nightly', '2']);
  expect(next).toEqual(shown.next.slice(0, 2).map((at) => ({ schedule: 'nightly', at })));
  await fleet.must(['schedule', 'rm', '--task', 'web']);
  expect(await fleet.json(['schedule', 'ls'])).toEqual([]);
});

test('the nodes fire, and the ledger says when: also over a kill of the server', async () => {
  await fleet.must(['task', 'create', 'beat', '--', 'true']);
  // On a busy machine a firing may find the one before still running: that is no matter here.
  const every = ['--every', '500ms', '--count', '6', '--overlap', 'allow'];
  const id = (await fleet.must(['start', 'beat', ...every])).trim();
  await server.stop('SIGKILL');
  server = await fleet.server();
  await fleet.online('n1', 'n2');
  const rows = await fires(12, '--task', 'beat');
  expect(rows).toHaveLength(12);
  expect(new Set(rows.map(({ planned, node }) => `${planned} ${node}`)).size).toBe(12);
  expect(new Set(rows.map(({ planned }) => planned)).size).toBe(6);
  expect(rows.map(({ planned }) => planned)).toEqual(rows.map(({ planned }) => planned).sort());
  for (const row of rows) {
    expect(row, row.reason ?? '').toMatchObject({ schedule: id, result: 'ok' });
    expect(row.run).toMatch(/^R/);
    // Less than a tenth of a millisecond is not worth moving a gate for.
    expect(row.lateUs).toBeGreaterThan(-100);
  }
  const [summary] = await fleet.json<object[]>(['fires', '--task', 'beat', '--summary']);
  expect(summary).toMatchObject({ schedule: id, count: 12, ok: 12, lost: 0 });
  const history = await fleet.json<{ run: string }[]>(['task', 'history', 'beat']);
  expect(new Set(history.map(({ run }) => run))).toEqual(new Set(rows.map(({ run }) => run)));
  await fleet.must(['task', 'rm', 'beat']);
  expect(await fleet.json<Fire[]>(['fires', '--task', 'beat'])).toHaveLength(12);
});

test('an instant of the past, with --missed once: made up for, once a node', async () => {
  await fleet.must(['task', 'create', 'past', '--', 'true']);
  await fleet.must(['start', 'past', '--at', '2020-01-01T00:00:00Z', '--missed', 'once']);
  const rows = await fires(2, '--task', 'past');
  const planned = '2020-01-01T00:00:00.000000Z';
  expect(rows).toMatchObject(['n1', 'n2'].map(() => ({ planned, result: 'ok' })));
  expect(rows.map(({ node }) => node).toSorted()).toEqual(['n1', 'n2']);
  for (const { lateUs } of rows) expect(lateUs).toBeGreaterThan(86_400e6);
  await fleet.must(['task', 'rm', 'past', '--force']);
});

const usOf = (instant: string | null): number => {
  const [seconds = '', fraction = ''] = (instant ?? '').replace('Z', '').split('.');
  return Date.parse(`${seconds}Z`) * 1_000 + Number(fraction);
};

test('a splay is each node’s own share; a node that joins later fires what is to come', async () => {
  await fleet.must(['task', 'create', 'spread', '--', 'true']);
  const rule = ['--every', '1s', '--splay', '800ms', '--overlap', 'allow'];
  await fleet.must(['start', 'spread', ...rule, '--schedule-name', 'spread']);
  const before = await fires(4, '--task', 'spread');
  const joinedUs = Date.now() * 1_000;
  expect(before.every(({ planned }) => usOf(planned) < joinedUs + 1_000_000)).toBe(true);
  const third = await fleet.agent('n3');
  let rows: readonly Fire[] = [];
  const isDone = ({ result }: Fire): boolean => result === 'ok';
  await until(
    async () => {
      rows = await fleet.json<Fire[]>(['fires', '--task', 'spread']);
      return rows.filter((row) => row.node === 'n3' && isDone(row)).length >= 2;
    },
    40_000,
    () => JSON.stringify(rows.slice(-5)),
  );
  for (const row of rows.filter(({ node }) => node === 'n3')) {
    expect(usOf(row.planned), JSON.stringify(row)).toBeGreaterThan(joinedUs);
  }
  for (const row of rows.filter(isDone)) {
    const { schedule, node, planned, fired, lateUs } = row;
    const shareUs = splayOf(schedule, node, 800_000);
    expect(usOf(fired) - usOf(planned), JSON.stringify(row)).toBe(shareUs + (lateUs ?? 0));
  }
  expect(new Set(rows.map(({ node }) => splayOf('spread', node, 800_000))).size).toBe(3);
  await fleet.must(['task', 'rm', 'spread', '--force']);
  await third.stop();
  await fleet.must(['node', 'rm', 'n3', '--force']);
});

test('the ledger is kept as long as --keep-fires says', async () => {
  await server.stop();
  const keep = ['env', 'LOTC_KEEP_FIRES=1ms'];
  server = await fleet.server('s', keep);
  await until(async () => (await fleet.json<Fire[]>(['fires'])).length === 0);
  const wrong = fleet.start(fleet.place('srv'), ['server', '--data', 'x', '--keep-fires', 'much']);
  expect(await wrong.ended()).toBe(2);
  expect(wrong.text()).toContain('--keep-fires');
});

test('in the maintenance window nothing fires on these nodes, and nothing is missed', async () => {
  await fleet.online('n1', 'n2');
  await fleet.must(['task', 'create', 'tick', '--', 'true']);
  await fleet.must(['schedule', 'pause', '--on', 'zone=a']);
  const every = ['--every', '300ms', '--missed', 'all', '--schedule-name', 'tick'];
  await fleet.must(['start', 'tick', ...every]);
  expect(await fleet.json(['node', 'show', 'n1'])).toMatchObject({ schedulesPaused: true });
  const during = await fires(5, '--task', 'tick');
  expect(new Set(during.map(({ node }) => node))).toEqual(new Set(['n2']));
  await fleet.must(['schedule', 'resume', '--on', 'zone=a']);
  const resumed = new Date().toISOString();
  let rows: readonly Fire[] = [];
  await until(async () => {
    rows = (await fires(1, '--task', 'tick')).filter(({ node }) => node === 'n1');
    return rows.length >= 3;
  });
  const late = new Date(Date.parse(resumed) - 1_000).toISOString();
  for (const { planned } of rows) expect(planned > late, `${planned} ${resumed}`).toBe(true);
  await fleet.must(['task', 'rm', 'tick', '--force']);
});

test('code at an instant: the content first, the name then', async () => {
  const dir = fleet.path('code');
  mkdirSync(dir);
  writeFileSync(`${dir}/version`, 'one\n');
  await fleet.must(['load', dir, '--name', 'code', '--wait']);
  await fleet.must([
    'task',
    'create',
    'cat',
    '--bundle',
    'code',
    '--on',
    'n1',
    '--',
    'cat',
    'version',
  ]);
  writeFileSync(`${dir}/version`, 'two\n');
  await fleet.must(['load', dir, '--name', 'code', '--replace', '--in', '3s']);
  const said = async (): Promise<string> => {
    await fleet.must(['start', 'cat', '--wait']);
    expect((await fleet.admin(['wait', 'cat', '--timeout', '10s'])).code).toBe(0);
    return fleet.must(['logs', 'cat']);
  };
  expect(await said()).toBe('one\n');
  await until(async () => (await said()) === 'two\n', 15_000);
  await fleet.must(['unload', 'code', '--force', '--in', '200ms', '--schedule-name', 'away']);
  await until(async () => (await fleet.json<object[]>(['bundle', 'ls'])).length === 0, 15_000);
});

test('the script of the contract', async () => {
  const crawler = fleet.path('crawler');
  mkdirSync(crawler);
  writeFileSync(`${crawler}/crawl`, '#!/bin/sh\nsleep 4\n', { mode: 0o755 });
  await fleet.must(['load', './crawler', '--name', 'crawler', '--wait']);
  const define = ['task', 'create', 'crawl', '--on', 'n1', '--bundle', 'crawler', '--', './crawl'];
  await fleet.must(define);
  await fleet.must(['start', 'crawl', '--in', '2s']);
  await fleet.must(['wait', 'crawl', '--for', 'running', '--timeout', '10s']);
  await fleet.must(['suspend', 'crawl', '--wait']);
  await fleet.must(['resume', 'crawl', '--wait']);
  await fleet.must(['wait', 'crawl', '--for', 'exited']);
  const [row, ...others] = await fires(1, '--task', 'crawl');
  expect(others).toEqual([]);
  expect(row).toMatchObject({ result: 'ok', node: 'n1' });
  expect(row?.lateUs).toEqual(expect.any(Number));
  await fleet.must(['task', 'rm', 'crawl']);
  await fleet.must(['unload', 'crawler']);
});
