/** Schedule flags, `schedule …` and `fires` against a scripted server. */
import { expect, test } from 'vitest';
import { failure, Refused } from '../client.ts';
import { run } from '../fake.io.ts';

const T = 1_800_000_000_000_000;
const S = 1_000_000;
const row = {
  ...{ schedule: 'nightly', action: 'start', task: 'web', sinceUs: T, revision: 1 },
  ...{ missed: 'skip', overlap: 'forbid' },
};
const made = { ok: { schedules: [row], answers: [{ ok: true, task: 'web' }], unchanged: false } };

test.each([
  ['--at 2027-01-15T08:00:00.000123Z', { at: T + 123 }],
  ['--in 2s', { inUs: 2 * S }],
  ['--every 200ms', { everyUs: 200_000 }],
  [
    '--every 1h --from 2027-01-15T08:00:00Z --until 2027-01-15T09:00:00+01:00 --count 3',
    { everyUs: 3_600 * S, fromUs: T, untilUs: T, count: 3 },
  ],
  [
    '--cron @daily --tz Europe/Warsaw --missed all --overlap queue --splay 1m',
    {
      ...{ cron: '@daily', tz: 'Europe/Warsaw', missed: 'all', overlap: 'queue' },
      splayUs: 60 * S,
    },
  ],
  [
    '--in 1s --max-clock-error 50ms --schedule-name x',
    {
      ...{ inUs: S, maxClockErrorUs: 50_000, schedule: 'x' },
    },
  ],
])('%s', async (flags, timing) => {
  const { ask, exitCode, stdout } = await run(['stop', 'web', ...flags.split(' ')], {
    taskKill: made,
  });
  expect([exitCode, stdout]).toEqual([0, 'nightly\n']);
  expect(ask.last('taskKill')).toEqual({ targets: ['web'], mode: 'stop', timing });
});

test.each([
  ['start web', 'taskRun', { targets: ['web'], mode: 'start' }],
  ['restart web', 'taskRun', { targets: ['web'], mode: 'restart' }],
  ['suspend web', 'taskStop', { targets: ['web'] }],
  ['resume web', 'taskCont', { targets: ['web'] }],
  ['kill web --signal HUP', 'taskKill', { targets: ['web'], mode: 'kill', signal: 'SIGHUP' }],
  ['unload code', 'fileRm', { names: ['code'] }],
] as const)('%s --in 1s', async (line, kind, body) => {
  const { ask, exitCode } = await run([...line.split(' '), '--in', '1s'], { [kind]: made });
  expect(exitCode).toBe(0);
  expect(ask.last(kind)).toEqual({ ...body, timing: { inUs: S } });
});

test('load: the content travels now', async () => {
  const packed = {
    ...{ digest: 'sha256:ab', sizeBytes: 3, warnings: [] },
    read: () => Promise.resolve(new Uint8Array(3)),
    dispose: () => Promise.resolve(),
  };
  const ran = await run(
    ['load', 'x', '--name', 'code', '--in', '1s'],
    { retQuery: { ok: {} }, fileDef: made },
    { prepare: (console) => Object.assign(console, { packed }) },
  );
  expect([ran.exitCode, ran.stdout, ran.ask.uploads]).toEqual([0, 'nightly\n', ['sha256:ab']]);
  expect(ran.ask.last('fileDef')).toMatchObject({ bundle: 'code', timing: { inUs: S } });
});

test.each([
  'start web --in 1s --at 2027-01-15T08:00:00Z',
  'start web --count 3',
  'start web --every 1s --count 0',
  'start web --every 1s --count -1',
  'start web --every soon',
  'start web --at tomorrow',
  'start web --at 2027-02-30T08:00:00Z',
  'start web --in 1s --from 2027-01-15T08:00:00Z',
  'start web --in 1s --tz UTC',
  'start web --in 1s --missed never',
  'start web --in 1s --overlap maybe',
  'start web --in 1s --schedule-name Bad_Name!',
  'start web --in 1s --max-clock-error 5',
  'restart web --batch 1 --in 1s',
  'schedule rm',
  'schedule rm --on n1',
  'schedule pause',
  'schedule next a b',
  'schedule next a 1 2',
  'fires --result good',
  'fires --summary --planned',
])('%s: 2, and nothing is asked', async (line) => {
  const { ask, exitCode, stderr } = await run(line.split(' '), {});
  expect(exitCode).toBe(2);
  expect(stderr).not.toBe('');
  expect(ask.said).toEqual([]);
});

test('a scheduled verb is no operation: --wait is said to mean nothing', async () => {
  const { exitCode, stderr, stdout } = await run(['start', 'web', '--in', '1s', '--wait'], {
    taskRun: made,
  });
  expect([exitCode, stdout]).toEqual([0, 'nightly\n']);
  expect(stderr).toContain('a schedule is no operation');
});

test('six fields that fire every second: a warning with the next instants', async () => {
  const cron = '* 5 * * * *';
  const next = [1, 2, 3, 4, 5].map((n) => T + n * S);
  const often = { ok: { schedules: [{ ...row, cron, next }], answers: [{ ok: true }] } };
  const warned = await run(['start', 'web', '--cron', cron], { taskRun: often });
  expect(warned.stdout).toBe('nightly\n');
  expect(warned.stderr).toContain('it fires every second');
  expect(warned.stderr.match(/2027-01-15T08:00:0[1-5].000000Z/g)).toHaveLength(5);
  const rare = { ...row, cron: '0 5 * * * *', next: [T, T + 3_600 * S] };
  const { stderr } = await run(['start', 'web', '--cron', rare.cron], {
    taskRun: { ok: { schedules: [rare], answers: [{ ok: true }] } },
  });
  expect(stderr).toBe('');
});

test('several targets: an id each, and who could not have one', async () => {
  const answers = [
    { ok: true, task: 'web' },
    { ok: false, task: 'nope', errorCode: 5, text: 'there is no task "nope"' },
  ];
  const script = { taskRun: { ok: { schedules: [row], answers } } };
  const text = await run(['start', 'web', 'nope', '--in', '1s'], script);
  expect([text.exitCode, text.stdout]).toEqual([7, 'nightly\n']);
  expect(text.stderr).toContain('there is no task "nope"');
  const { stdout } = await run(['start', 'web', 'nope', '--in', '1s', '--json'], script);
  expect(JSON.parse(stdout)).toMatchObject({
    schedule: 'nightly',
    schedules: [{ id: 'nightly', task: 'web', action: 'start' }],
    answers: [{ ok: true }, { ok: false, code: 'no-such-task' }],
  });
});

test('schedule ls and show: the fields of the contract', async () => {
  const whole = {
    ...row,
    everyUs: 90 * S,
    fromUs: T,
    splayUs: S,
    next: [T + 90 * S],
    paused: true,
  };
  const script = { retQuery: { ok: { schedules: [whole] } } };
  const { stdout } = await run(['schedule', 'show', 'nightly', '--json'], script);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ id: 'nightly', task: 'web', action: 'start', paused: true },
    next: ['2027-01-15T08:01:30.000000Z'],
    spec: { every: '1m30s', from: '2027-01-15T08:00:00.000000Z', splay: '1s', missed: 'skip' },
  });
  const list = await run(['schedule', 'ls', '--task', 'web', '--json'], script);
  expect(JSON.parse(list.stdout)).toHaveLength(1);
  expect(list.ask.last('retQuery')).toEqual({ query: 'schedules', names: [], task: 'web' });
  expect((await run(['schedule', 'ls', '-o', 'name'], script)).stdout).toBe('nightly\n');
  expect((await run(['schedule', 'ls'], script)).stdout).toContain('every 1m30s');
});

test('schedule next: an id, a number, both, neither', async () => {
  const fire = { schedule: 'nightly', action: 'start', plannedUs: T };
  const asked = async (...words: string[]): Promise<unknown> => {
    const ran = await run(['schedule', 'next', ...words, '--json'], {
      retQuery: { ok: { fires: [fire] } },
    });
    expect(JSON.parse(ran.stdout)).toEqual([
      { schedule: 'nightly', at: '2027-01-15T08:00:00.000000Z' },
    ]);
    return ran.ask.last('retQuery');
  };
  expect(await asked()).toEqual({ query: 'next', names: [], limit: 5 });
  expect(await asked('7')).toEqual({ query: 'next', names: [], limit: 7 });
  expect(await asked('nightly')).toEqual({ query: 'next', names: ['nightly'], limit: 5 });
  expect(await asked('nightly', '7')).toEqual({ query: 'next', names: ['nightly'], limit: 7 });
});

test('schedule rm, pause, resume', async () => {
  const text = 'schedule "a" paused';
  const script = { depSchedule: { ok: { answers: [{ ok: true, text }] } } };
  const paused = await run(['schedule', 'pause', 'a', 'b', '--on', 'zone=a'], script);
  expect([paused.exitCode, paused.stdout]).toEqual([0, `${text}\n`]);
  const names = ['a', 'b'];
  expect(paused.ask.last('depSchedule')).toEqual({ mode: 'pause', names, on: 'zone=a' });
  const window = await run(['schedule', 'resume', '--on', 'n1'], script);
  expect(window.ask.last('depSchedule')).toEqual({ mode: 'resume', on: 'n1' });
  const removed = await run(['schedule', 'rm', '--task', 'web'], script);
  expect(removed.ask.last('depSchedule')).toEqual({ mode: 'rm', task: 'web' });
  const error = new Refused(failure('no-such-schedule', 'there is no schedule "a"'));
  const none = await run(['schedule', 'rm', 'a'], { depSchedule: { error } });
  expect([none.exitCode, none.stderr]).toEqual([4, 'error: there is no schedule "a"\n']);
});

const fire = {
  ...{ schedule: 'nightly', action: 'start', task: 'web', node: 'n1', plannedUs: T },
  ...{ run: 'R0123456789A', firedUs: T + 412, lateUs: 412, result: 'ok' },
};

test('fires: all pages in order, a firing once, and what is unknown is null', async () => {
  const later = { ...fire, plannedUs: T + S, node: 'n2', result: undefined };
  const pages = [
    { fires: [later, { ...fire, result: undefined }], after: 7 },
    { fires: [{ ...fire, node: 'n2' }, fire] },
  ];
  let page = 0;
  const ran = await run(['fires', '--task', 'web', '--since', '2027-01-15T08:00:00Z', '--json'], {
    retQuery: () => {
      page += 1;
      return { ok: pages[page - 1] };
    },
  });
  const rows = JSON.parse(ran.stdout) as Record<string, unknown>[];
  expect(rows.map((one) => [one['node'], one['result']])).toEqual([
    ...[['n1', 'ok'] as const, ['n2', 'ok'] as const, ['n2', null] as const],
  ]);
  expect(rows[0]).toEqual({
    ...{ schedule: 'nightly', task: 'web', action: 'start', node: 'n1', run: 'R0123456789A' },
    ...{ planned: '2027-01-15T08:00:00.000000Z', fired: '2027-01-15T08:00:00.000412Z' },
    ...{ lateUs: 412, clockErrorUs: null, result: 'ok', reason: null, bundle: null },
  });
  expect(ran.ask.last('retQuery')).toMatchObject({
    query: 'fires',
    task: 'web',
    since: T,
    after: 7,
  });
});

test('fires --planned adds what is to come, --result chooses', async () => {
  const coming = {
    ...fire,
    plannedUs: T + S,
    run: undefined,
    lateUs: undefined,
    result: undefined,
  };
  const script = {
    retQuery: (body: Readonly<Record<string, unknown>>) => ({
      ok: { fires: body['query'] === 'planned' ? [fire, coming] : [fire] },
    }),
  };
  const both = await run(['fires', '--planned', '--json'], script);
  expect(JSON.parse(both.stdout)).toMatchObject([{ result: 'ok' }, { result: null, run: null }]);
  const none = await run(['fires', '--result', 'lost', '--json'], script);
  expect(JSON.parse(none.stdout)).toEqual([]);
});

test('fires of a task that never was: 4', async () => {
  const error = new Refused(failure('no-such-task', 'there is no task "nope"'));
  const { exitCode } = await run(['fires', '--task', 'nope'], {
    retQuery: ({ query }) => (query === 'tasks' ? { error } : { ok: { fires: [] } }),
  });
  expect(exitCode).toBe(4);
});

test('fires --summary: a line for each schedule', async () => {
  const summary = {
    ...{ schedule: 'nightly', action: 'start', task: 'web', count: 4, okCount: 3, skippedCount: 1 },
    ...{ failedCount: 0, lostCount: 0, lateP50Us: 400, lateMaxUs: 900, skewMaxUs: 120 },
  };
  const script = { retQuery: { ok: { summaries: [summary] } } };
  const { ask, stdout } = await run(['fires', '--summary', '--json'], script);
  expect(ask.last('retQuery')).toEqual({ query: 'summaries', names: [] });
  expect(JSON.parse(stdout)).toMatchObject([
    {
      ...{ schedule: 'nightly', count: 4, ok: 3, skipped: 1, failed: 0, lost: 0 },
      lateUs: { p50: 400, p95: null, max: 900 },
      skewUs: { max: 120, errorUs: null },
    },
  ]);
  expect((await run(['fires', '--summary'], script)).stdout).toContain('0.900ms');
});
