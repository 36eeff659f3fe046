import { existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Result, until } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
  await fleet.must(['task', 'create', 'web', '--', 'sleep', '1000']);
});
afterAll(() => fleet[Symbol.asyncDispose]());

const admin = (...args: string[]): Promise<Result> => fleet.admin(args);

/** An error names the thing, the reason and the remedy, and prints nothing on stdout. */
function expectError(result: Result, code: number, ...words: string[]): void {
  expect(result).toMatchObject({ code, stdout: '' });
  for (const word of words) expect(result.stderr).toContain(word);
}

test('usage errors are 2', async () => {
  expectError(await admin('start'), 2);
  expectError(await admin('nonsense'), 2);
  expectError(await admin('start', 'web', '--no-such-option'), 2, 'no option "--no-such-option"');
  expectError(await admin('start', 'web', '--on'), 2, 'option "--on" wants a value');
  expectError(await admin('task'), 2, '"lotc admin task" wants a command');
  expectError(await admin('start', 'UPPER'), 2, 'UPPER');
  expectError(await admin('task', 'create', 'a/b', '--', 'true'), 2, 'a/b');
  expectError(await admin('wait', 'web', '--for', 'sideways'), 2, 'sideways');
  expectError(await admin('start', 'web', '--timeout', 'soon'), 2, 'soon');
  expectError(await admin('start', 'web', '--every', '1ms'), 2, '100ms');
  const large = `task create big -- echo ${'x'.repeat(131_072)}\n`;
  expectError(await fleet.admin(['batch'], { stdin: large }), 2, '131');
});

test('unknown things are 4', async () => {
  expectError(await admin('start', 'nope'), 4, 'nope');
  expectError(await admin('start', 'web@nope'), 4, 'nope');
  expectError(await admin('start', 'web', '--on', 'zone=z'), 4, 'zone=z');
  expectError(await admin('task', 'show', 'nope'), 4, 'nope');
  expectError(await admin('node', 'show', 'nope'), 4, 'nope');
  expectError(await admin('bundle', 'show', 'nope'), 4, 'nope');
  expectError(await admin('unload', 'nope'), 4, 'nope');
  expectError(await admin('task', 'create', 'x', '--bundle', 'nope', '--', 'true'), 4, 'nope');
  expectError(await admin('operation', 'show', 'O00000000000'), 4, 'O00000000000');
  expectError(await admin('token', 'rm', 'deadbeef'), 4, 'deadbeef');
  const json = await admin('task', 'show', 'nope', '--json');
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'no-such-task' } });
});

test('bundles that are wrong', async () => {
  const dir = fleet.path('bundles');
  mkdirSync(`${dir}/empty`, { recursive: true });
  mkdirSync(`${dir}/out`);
  symlinkSync('../../../etc/passwd', `${dir}/out/leak`);
  writeFileSync(`${dir}/out/file`, 'inside');
  expectError(await admin('load', `${dir}/nope`, '--name', 'b'), 8, 'nope', 'no such file');
  expectError(await admin('load', `${dir}/empty`, '--name', 'b'), 8, 'empty');
  expectError(await admin('load', `${dir}/out`, '--name', 'b'), 8, 'leak');
  writeFileSync(`${dir}/one`, 'one');
  writeFileSync(`${dir}/two`, 'two');
  await fleet.must(['load', `${dir}/one`, '--name', 'b', '--wait']);
  await fleet.must(['load', `${dir}/one`, '--name', 'b', '--wait']);
  expectError(await admin('load', `${dir}/two`, '--name', 'b'), 8, '--replace');
  await fleet.must(['load', `${dir}/two`, '--name', 'b', '--replace', '--wait']);
  await fleet.must(['task', 'create', 'uses-b', '--bundle', 'b', '--', 'cat', 'two']);
  expectError(await admin('unload', 'b'), 8, 'uses-b');
  await fleet.must(['start', 'uses-b', '--wait']);
  expect((await admin('wait', 'uses-b', '--timeout', '10s')).code).toBe(0);
  expect(await fleet.must(['logs', 'uses-b'])).toBe('two');
  await fleet.must(['task', 'rm', 'uses-b']);
  await fleet.must(['unload', 'b', '--wait']);
});

test('a bundle that changes while it is read is 8, and nothing of it is kept', async () => {
  const dir = fleet.path('changing');
  mkdirSync(dir);
  for (let no = 0; no < 8; no += 1) writeFileSync(`${dir}/${no}`, Buffer.alloc(8 << 20, no));
  const touch = setInterval(() => utimesSync(`${dir}/3`, new Date(), new Date()), 1);
  try {
    const result = await admin('load', dir, '--name', 'changing', '--wait');
    expectError(result, 8, `${dir}/3`, 'changed while it was read');
  } finally {
    clearInterval(touch);
  }
  expectError(await admin('bundle', 'show', 'changing'), 4);
});

test('conflicts are 8 and say what to do', async () => {
  expectError(await admin('task', 'create', 'web', '--', 'other'), 8, 'web', 'task set');
  await fleet.must(['task', 'create', 'web', '--', 'sleep', '1000']);
  await fleet.must(['task', 'disable', 'web']);
  expectError(await admin('start', 'web'), 8, 'disabled', 'enable');
  await fleet.must(['task', 'enable', 'web']);
  expectError(await admin('suspend', 'web'), 8, 'not running');
  expectError(await admin('resume', 'web'), 8);
  expectError(await admin('kill', 'web'), 8, 'not running');
  expect((await admin('stop', 'web')).code).toBe(0);
  await fleet.must(['start', 'web', '--wait']);
  await fleet.must(['start', 'web', '--wait']);
  expectError(await admin('task', 'rm', 'web'), 8, '--force');
  expectError(await admin('node', 'rm', 'n1'), 8, '--force');
  await fleet.must(['stop', 'web', '--wait']);
});

/** The table under "Words" of the command line: what a verb answers, and the state afterwards. */
const verbs = ['start', 'suspend', 'resume', 'stop', 'kill', 'restart'] as const;
type Cell = readonly [code: number, state?: string | undefined];
const cells: Record<string, readonly Cell[]> = {
  running: [[0, 'running'], [0, 'suspended'], [8, 'running'], [0], [0], [0, 'running']],
  suspended: [[8, 'suspended'], [0, 'suspended'], [0, 'running'], [0], [0], [0, 'running']],
  pending: [[0, 'pending'], [8, 'pending'], [8, 'pending'], [0], [0], [0, 'pending']],
  stopping: [[8, 'stopping'], [8, 'stopping'], [8, 'stopping'], [0, 'stopping'], [0], [0]],
  down: [[0, 'running'], [8], [8], [0], [8], [0, 'running']],
};
const taskOf = (state: string, verb: string): string => `${state}-${verb}`;
const tasksOf = (state: string): string[] => verbs.map((verb) => taskOf(state, verb));

test('each verb on each state answers as the table says', async () => {
  const forever = '--stop-grace 60s -- sh -c "trap : TERM; while :; do sleep 0.2; done"';
  const commands: Record<string, string> = {
    pending: '--restart always --backoff 1h..1h -- false',
    stopping: forever,
  };
  const lines = Object.keys(cells).flatMap((state) =>
    tasksOf(state).map((name) => `task create ${name} ${commands[state] ?? '-- sleep 1000'}\n`),
  );
  expect(await fleet.admin(['batch'], { stdin: lines.join('') })).toMatchObject({ code: 0 });
  const stateOf = async (name: string): Promise<string | undefined> =>
    (await fleet.json<Row[]>(['ps', name]))[0]?.state;
  const begun = ['running', 'suspended', 'stopping'].flatMap(tasksOf);
  await fleet.must(['start', ...begun, ...tasksOf('pending')]);
  await fleet.must(['wait', ...begun, '--for', 'running', '--timeout', '30s']);
  await fleet.must(['suspend', ...tasksOf('suspended'), '--wait']);
  await fleet.must(['stop', ...tasksOf('stopping')]);
  for (const state of ['pending', 'stopping']) {
    const names = tasksOf(state);
    await until(async () => {
      const rows = await fleet.json<Row[]>(['ps', ...names]);
      return rows.length === names.length && rows.every((row) => row.state === state);
    });
  }
  for (const [state, row] of Object.entries(cells)) {
    for (const [no, verb] of verbs.entries()) {
      const name = taskOf(state, verb);
      const [code, after] = row[no] ?? [];
      // What stops takes its grace, what is pending its backoff: those are not waited for.
      const wait = code === 0 && after !== 'stopping' && after !== 'pending';
      const waiting = wait && name !== 'stopping-restart' ? ['--wait'] : [];
      const result = await admin(verb, name, ...waiting);
      expect(result.code, `${name}: ${result.stderr}`).toBe(code);
      if (code === 8) expect(result.stderr).toContain(name);
      if (name === 'stopping-restart') continue;
      if (after === undefined) await fleet.must(['wait', name, '--for', 'gone']);
      else if (after === 'pending') await until(async () => (await stateOf(name)) === 'pending');
      else expect(await stateOf(name), name).toBe(after);
    }
  }
  await fleet.must(['task', 'rm', ...Object.keys(cells).flatMap(tasksOf), '--force']);
}, 120_000);

interface Row {
  readonly state: string;
  readonly reason: string | null;
  readonly restarts: number;
}

test.each([
  ['missing', ['/no/such/program'], [], 'ENOENT'],
  ['not-executable', ['/etc/passwd'], [], 'EACCES'],
  ['unknown-user', ['true'], ['--user', 'no-such-user'], 'no-such-user'],
  ['bad-cwd', ['true'], ['--cwd', '/no/such/directory'], '/no/such/directory'],
])(
  'a program that cannot start is failed, with the reason in words: %s',
  async (name, command, options, word) => {
    await fleet.must(['task', 'create', name, ...options, '--', ...command]);
    const started = await admin('start', name, '--wait');
    expect(started.code).toBe(1);
    expect(started.stderr).toContain(word);
    const [row] = await fleet.json<Row[]>(['ps', name, '--all']);
    expect(row).toMatchObject({ state: 'failed', restarts: 0 });
    expect(row?.reason).toContain(word);
    expect((await admin('wait', name)).code).toBe(3);
    await fleet.must(['task', 'rm', name]);
  },
);

test('a bad interpreter is told apart from a missing program', async () => {
  const file = fleet.path('bad-interpreter');
  writeFileSync(file, '#!/no/such/interpreter\n', { mode: 0o755 });
  await fleet.must(['task', 'create', 'interp', '--', file]);
  const { code, stderr } = await admin('start', 'interp', '--wait');
  expect(code).toBe(1);
  expect(stderr).toContain('interpreter');
  await fleet.must(['task', 'rm', 'interp']);
});

test('a timeout that is too short is 124 and names the node', async () => {
  await fleet.must(['start', 'web', '--wait']);
  expect((await admin('wait', 'web', '--timeout', '300ms')).code).toBe(124);
  await fleet.must(['kill', 'web', '--wait']);
});

test('no server: 5, with every address and both families', async () => {
  const result = await fleet.admin(['ps', '--server', '[::1]:1', '--server', '127.0.0.1:1']);
  expectError(result, 5, '[::1]:1', '127.0.0.1:1');
});

test('a server of another fleet, which ends with 0 on SIGTERM, and its identity here', async () => {
  const ready = fleet.path('other.ready');
  const other = fleet.start(fleet.place('srv'), [
    ...['server', '--data', fleet.path('other'), '--listen', '127.0.0.1:0'],
    ...['--ready-file', ready],
  ]);
  await until(() => existsSync(ready));
  const env = { LOTC_IDENTITY: fleet.path('other/admin.json') };
  expect((await fleet.admin(['ps'], { env })).code).toBe(0);
  const here = fleet.serverArgs(fleet.place('srv'));
  expectError(await fleet.admin(['ps', ...here], { env }), 6, 'fleet');
  expect(await other.stop()).toBe(0);
});

test('a token that has expired is 6 and says so', async () => {
  const create = ['token', 'create', '--role', 'agent', '--ttl', '1s', '-o', 'name'];
  const token = (await fleet.must(create)).trim();
  await sleep(1_500);
  const place = fleet.place('n2');
  const role = fleet.start(place, [
    ...['agent', '--data', fleet.path('expired'), '--name', 'n2', '--token', token],
    ...fleet.serverArgs(place),
  ]);
  expect(await role.ended()).toBe(6);
  expect(role.text()).toContain('expired');
});

test('no identity, a used token, a truncated token', async () => {
  expectError(
    await fleet.admin(['ps'], { env: { LOTC_IDENTITY: '/no/such/identity.json' } }),
    6,
    'identity',
  );
  const token = (await fleet.must(['token', 'create', '--role', 'agent', '-o', 'name'])).trim();
  const place = fleet.place('n2');
  const start = (data: string, name: string, secret: string) =>
    fleet.start(place, [
      'agent',
      '--data',
      fleet.path(data),
      '--name',
      name,
      '--token',
      secret,
      ...fleet.serverArgs(place),
    ]);
  const first = start('t1', 'n2', token);
  await fleet.online('n2');
  const second = start('t2', 'n3', token);
  expect(await second.ended()).toBe(6);
  expect(second.text()).toContain('used');
  const third = start('t3', 'n3', token.slice(0, -9));
  expect(await third.ended()).toBe(2);
  const other = (await fleet.must(['token', 'create', '--role', 'agent', '-o', 'name'])).trim();
  const taken = start('t4', 'n2', other);
  expect(await taken.ended()).toBe(8);
  expect(taken.text()).toContain('n2');
  await first.stop();
  expect(await fleet.nodeState('n2')).toBe('offline');
  await fleet.must(['node', 'rm', 'n2']);
});

test('a second role on a data directory ends at once and names the first', async () => {
  const place = fleet.place('srv');
  const role = fleet.start(place, ['server', '--data', fleet.path('s'), '--listen', '127.0.0.1:0']);
  expect(await role.ended()).toBe(1);
  expect(role.text()).toMatch(/pid \d+/);
});

test('each role ends with 0 on SIGTERM, and processes outlive their agent', async () => {
  const agent = await fleet.agent('n9');
  await fleet.online('n9');
  await fleet.must(['task', 'create', 'lasting', '--on', 'n9', '--', 'sleep', '1000']);
  await fleet.must(['start', 'lasting', '--wait']);
  const pid = (await fleet.json<{ pid: number }[]>(['ps', 'lasting']))[0]?.pid ?? 0;
  expect(await agent.stop()).toBe(0);
  expect(() => process.kill(pid, 0)).not.toThrow();
  await until(async () => (await fleet.nodeState('n9')) === 'offline');
  const back = await fleet.agent('n9');
  await fleet.online('n9');
  expect((await fleet.json<{ pid: number }[]>(['ps', 'lasting']))[0]?.pid).toBe(pid);
  await fleet.must(['kill', 'lasting', '--wait']);
  expect(await back.stop()).toBe(0);
});
