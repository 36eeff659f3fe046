/** Listing, showing, defining and removing things, against a scripted server. */
import { expect, test } from 'vitest';
import { errorCodes, LotcError } from '../../../base/errors.ts';
import { failure, Refused } from '../client.ts';
import { run } from '../fake.io.ts';

const operation = 'O0123456789A';
const task = { task: 'web', spec: { command: ['./web'] }, enabled: true, revision: 1 };
const node = { node: 'n1', nodeState: 'online', labels: { zone: 'a' }, running: 2 };
const process = { run: 'R0123456789A', task: 'web', node: 'n1', processState: 'running' };
const json = (text: string): unknown => JSON.parse(text);

test('ps: names for another command', async () => {
  const words = ['ps', '-o', 'name', '--state', 'running,pending', '--on', 'zone=a', 'web'];
  const { ask, exitCode, stdout } = await run(words, {
    retQuery: { ok: { processes: [process] } },
  });
  expect([exitCode, stdout]).toEqual([0, 'web@n1\n']);
  expect(ask.last('retQuery')).toEqual({
    ...{ query: 'processes', names: ['web'], on: 'zone=a', states: ['running', 'pending'] },
  });
});

test('ps --all --json, a list in several parts', async () => {
  const parts = { more: [{ processes: [process] }], ok: { processes: [process], seq: 3 } };
  const { ask, stdout } = await run(['process', 'ls', '--all', '--json'], { retQuery: parts });
  expect(json(stdout)).toHaveLength(2);
  expect(ask.last('retQuery')).toEqual({ query: 'processes', names: [], all: true });
});

test('the environment stands in for flags', async () => {
  const env = {
    ...{ LOTC_OUTPUT: 'json', LOTC_TIMEOUT: '3s', LOTC_SERVER: '[::1]:1 127.0.0.1:2' },
    LOTC_IDENTITY: '/etc/lotc.json',
  };
  const { console, stdout } = await run(
    ['nodes'],
    { retQuery: { ok: { nodes: [node] } } },
    { env },
  );
  expect(json(stdout)).toHaveLength(1);
  expect(console.settings).toEqual({
    ...{ servers: ['[::1]:1', '127.0.0.1:2'], identity: '/etc/lotc.json', timeoutMs: 3_000 },
    ...{ keylog: undefined, plaintext: false },
  });
});

test('node show and label', async () => {
  const show = await run(['node', 'show', 'n1', '--json'], { retQuery: { ok: { nodes: [node] } } });
  expect(json(show.stdout)).toMatchObject({ name: 'n1', state: 'online', processes: 2 });
  const label = await run(['node', 'label', 'n1', 'zone=b', 'rack-'], {
    hostState: { ok: { nodes: [node] } },
  });
  expect([label.exitCode, label.stdout]).toEqual([0, 'n1\n']);
  expect(label.ask.last('hostState')).toEqual({
    ...{ node: 'n1', labels: { zone: 'b' }, labelsRemoved: ['rack'] },
  });
});

test('node rm --wait waits for its operation', async () => {
  const { ask, exitCode } = await run(['node', 'rm', 'n1', '--force', '--wait'], {
    hostRm: { ok: { operation, answers: [] } },
    retWait: { ok: { answers: [{ ok: true, node: 'n1' }] } },
  });
  expect(exitCode).toBe(0);
  expect(ask.last('retWait')).toEqual({ operation });
});

test('task create', async () => {
  const words = [
    ...['task', 'create', 'web', '--bundle', 'b', '--on', 'zone=a', '--user', 'www'],
    ...['--env', 'A=1', '--cwd', 'sub', '--stop-signal', 'INT', '--stop-grace', '5s'],
    ...['--keep-runs', '3', '--keep-for', '7d', '--disabled', '--', './web', '--on', 'x'],
  ];
  const { ask, exitCode, stdout } = await run(words, { taskAdd: { ok: { revision: 1 } } });
  expect([exitCode, stdout]).toEqual([0, 'web\n']);
  expect(ask.last('taskAdd')).toEqual({
    ...{ task: 'web', mode: 'create', enabled: false },
    spec: {
      ...{ command: ['./web', '--on', 'x'], bundle: 'b', on: 'zone=a', user: 'www' },
      ...{ env: { A: '1' }, cwd: 'sub', stopSignal: 'SIGINT', stopGraceMs: 5_000 },
      ...{ keepRuns: 3, keepForMs: 604_800_000 },
    },
  });
});

test('task create --json shows the task, also where it is not answered with it', async () => {
  const { stdout } = await run(['task', 'create', 'web', '--json', '--', './web'], {
    taskAdd: { ok: { revision: 1 } },
    retQuery: { ok: { tasks: [task] } },
  });
  expect(json(stdout)).toMatchObject({ name: 'web', command: ['./web'], keepFor: '30d' });
});

test('task set changes what is given and leaves the rest', async () => {
  const spec = { command: ['./web'], bundle: 'b', user: 'www', env: { A: '1', B: '2' } };
  const { ask, exitCode } = await run(
    ['task', 'set', 'web', '--env', 'C=3', '--env', 'A-', '--user', '', '--stop-grace', '1s'],
    { retQuery: { ok: { tasks: [{ ...task, spec }] } }, taskAdd: { ok: { revision: 2 } } },
  );
  expect(exitCode).toBe(0);
  expect(ask.last('taskAdd')).toEqual({
    ...{ task: 'web', mode: 'set' },
    spec: { command: ['./web'], bundle: 'b', env: { B: '2', C: '3' }, stopGraceMs: 1_000 },
  });
});

test('task ls, show, history, rm, enable, disable', async () => {
  const list = await run(['task', 'ls'], { retQuery: { ok: { tasks: [task] } } });
  expect(list.stdout).toContain('web');
  const show = await run(['task', 'show', 'web', '--json'], {
    retQuery: { ok: { tasks: [task] } },
  });
  expect(json(show.stdout)).toEqual({
    ...{ after: [], afterAll: false, waitsFor: [], slots: 1, priority: 0, preempt: false },
    ...{ limits: { memory: null, cpu: null, pids: null }, nofile: null, logMax: '64MiB' },
    ...{
      memoryWarn: null,
      watchdog: null,
      startTimeout: null,
      runTimeout: null,
      onHang: 'restart',
      onServerLost: 'keep',
      onAgentLost: 'keep',
      lease: '15s',
      heldBy: [],
    },
    health: {
      ...{ exec: null, tcp: null, http: null },
      ...{ every: '10s', timeout: null, failures: 3, delay: '0s' },
    },
    ...{ results: [], keepBytes: '10GiB', heldBy: [] },
    ...{ name: 'web', bundle: null, command: ['./web'], on: null, user: null, env: {}, cwd: null },
    ...{ stop: { signal: 'TERM', grace: '10s' }, keepRuns: 100, keepFor: '30d' },
    ...{ enabled: true, revision: 1, restart: { policy: 'no', backoff: '1s..5m', max: null } },
  });
  const history = await run(['task', 'history', 'web', '--limit', '5'], {
    retQuery: { ok: { processes: [process] } },
  });
  expect(history.ask.last('retQuery')).toEqual({ query: 'history', task: 'web', limit: 5 });
  const rm = await run(['task', 'rm', 'web', '--force'], {
    taskRm: { ok: { operation, answers: [{ ok: true, task: 'web' }] } },
  });
  expect(rm.stdout).toBe(`${operation}\n`);
  expect(rm.ask.last('taskRm')).toEqual({ names: ['web'], force: true });
  const unknown = {
    ok: false,
    task: 'x',
    errorCode: errorCodes['no-such-task'].number,
    text: 'no x',
  };
  const enable = await run(['task', 'enable', 'web', 'x'], {
    taskOk: { ok: { answers: [{ ok: true, task: 'web' }, unknown] } },
  });
  expect([enable.exitCode, enable.stdout, enable.stderr]).toEqual([
    ...[7, 'web: enabled\n', 'error: no x\n'],
  ]);
  const disable = await run(['task', 'disable', 'web', '-o', 'name'], {
    taskNok: { ok: { answers: [{ ok: true, task: 'web' }] } },
  });
  expect([disable.exitCode, disable.stdout]).toEqual([0, 'web\n']);
});

const digest = `sha256:${'1'.repeat(64)}`;
const packed = {
  ...{ digest, sizeBytes: 1024, warnings: ['a socket was left out'] },
  read: () => Promise.resolve(new Uint8Array(0)),
  dispose: () => Promise.resolve(),
};
const withPack = {
  prepare: (console: { packed: unknown }) => {
    console.packed = packed;
  },
};

test('load: uploads what is not there, then defines it', async () => {
  const { ask, exitCode, stderr, stdout } = await run(
    ['load', './dir', '--name', 'b', '--on', '@all'],
    { retQuery: { ok: { bundles: [] } }, fileDef: { ok: { operation, answers: [] } } },
    withPack,
  );
  expect([exitCode, stdout, stderr]).toEqual([
    ...[0, `${operation}\n`, 'warning: a socket was left out\n'],
  ]);
  expect(ask.uploads).toEqual([digest]);
  expect(ask.last('fileDef')).toEqual({ bundle: 'b', digest, sizeBytes: 1024, on: '@all' });
});

test('load: other content is refused before it travels, unless --replace', async () => {
  const bundles = [{ bundle: 'b', digest: 'sha256:0', sizeBytes: 1 }];
  const scripts = {
    retQuery: { ok: { bundles } },
    fileDef: { ok: { operation, answers: [{ ok: true, node: 'n1' }] } },
  };
  const words = ['bundle', 'push', './dir', '--name', 'b'];
  const refused = await run(words, scripts, withPack);
  expect([refused.exitCode, refused.ask.uploads]).toEqual([8, []]);
  expect(refused.stderr).toContain('--replace');
  const replaced = await run([...words, '--replace', '--wait'], scripts, {
    ...withPack,
    tty: true,
  });
  expect([replaced.exitCode, replaced.stdout]).toEqual([0, 'n1: loaded\n']);
  expect(replaced.stderr).toContain('send [##############################] 100%');
});

test('load: a path that cannot be read', async () => {
  const { exitCode, stderr } = await run(['load', './dir', '--name', 'b'], {});
  expect([exitCode, stderr]).toEqual([1, 'error: cannot read it\n']);
});

test('bundle ls, show, unload', async () => {
  const presences = [{ node: 'n1', bundleState: 'loaded' }];
  const bundles = [{ bundle: 'b', digest, sizeBytes: 5, presences }];
  const list = await run(['bundle', 'ls', '-o', 'wide'], { retQuery: { ok: { bundles } } });
  expect(list.stdout).toContain('n1:loaded');
  const show = await run(['bundle', 'show', 'b', '--json'], { retQuery: { ok: { bundles } } });
  expect(json(show.stdout)).toMatchObject({
    name: 'b',
    size: 5,
    nodes: [{ node: 'n1', state: 'loaded' }],
  });
  const unload = await run(['unload', 'b', '--on', 'n1', '--force'], {
    fileRm: { ok: { operation, answers: [] } },
  });
  expect(unload.ask.last('fileRm')).toEqual({ names: ['b'], on: 'n1', force: true });
});

test('operations', async () => {
  const row = { operation, verb: 'start', targets: ['web'], at: 1, operationState: 'accepted' };
  const list = await run(['operation', 'ls', '-o', 'name'], {
    retQuery: { ok: { operations: [row] } },
  });
  expect(list.stdout).toBe(`${operation}\n`);
  const unknown = await run(['operation', 'show', operation], {
    retQuery: { ok: { operations: [] } },
  });
  expect(unknown.exitCode).toBe(4);
  const cancelled = { ...row, operationState: 'cancelled' };
  const cancel = await run(['operation', 'cancel', operation], {
    retCancel: { ok: { operations: [cancelled] } },
  });
  expect([cancel.exitCode, cancel.stdout]).toEqual([0, `${operation}: cancelled\n`]);
  const failed = { ok: false, node: 'n1', errorCode: errorCodes['exec-failed'].number, text: 'no' };
  const wait = await run(['operation', 'wait', operation], {
    retWait: { ok: { operations: [{ ...row, operationState: 'failed', answers: [failed] }] } },
  });
  expect([wait.exitCode, wait.stderr]).toEqual([1, 'error: no\n']);
});

const token = { token: 'abababab', role: 'agent', usesLeft: 1, expiresAt: 1_800_000_000_000_000 };

test('token create prints the secret and sends its hash only', async () => {
  const scripts = { hostToken: { ok: { tokens: [token] } } };
  const plain = await run(
    ['token', 'create', '--role', 'agent', '--ttl', '10m', '-o', 'name'],
    scripts,
  );
  expect([plain.exitCode, plain.stdout]).toEqual([0, 'lotc1.secret.pin\n']);
  expect(plain.ask.last('hostToken')).toEqual({
    ...{ spki: 'ab'.repeat(32), role: 'agent', ttlMs: 600_000, usesLeft: 1 },
  });
  const full = await run(
    [
      'token',
      'create',
      '--role',
      'agent',
      '--uses',
      '5',
      '--name',
      'n1',
      '--label',
      'zone=a',
      '--json',
    ],
    scripts,
  );
  expect(json(full.stdout)).toMatchObject({ id: 'abababab', secret: 'lotc1.secret.pin' });
  expect(full.ask.last('hostToken')).toMatchObject({
    usesLeft: 5,
    node: 'n1',
    labels: { zone: 'a' },
  });
  const list = await run(['token', 'ls', '--json'], { retQuery: { ok: { tokens: [token] } } });
  expect(list.stdout).not.toContain('secret');
  const rm = await run(['token', 'rm', 'abababab'], { hostTokenRm: { ok: {} } });
  expect([rm.exitCode, rm.stdout]).toEqual([0, 'abababab\n']);
});

test('unreachable and refused at the door', async () => {
  const down = new LotcError('unreachable', 'cannot reach the server', { hint: 'is it running?' });
  expect((await run(['ps'], { retQuery: { error: down } })).exitCode).toBe(5);
  const stranger = new Refused(failure('unauthenticated', 'who are you'));
  expect((await run(['ps'], { retQuery: { error: stranger } })).exitCode).toBe(6);
  const bug = await run(['ps'], { retQuery: { error: new Error('boom') } });
  expect([bug.exitCode, bug.stderr.includes('boom')]).toEqual([1, true]);
});

test('hostile text is shown on a terminal, and passes elsewhere', async () => {
  const error = new LotcError('failed', 'a\x1b[2Jb');
  const shown = await run(['ps'], { retQuery: { error } }, { tty: true });
  expect(shown.stderr).toBe('error: a\\x1b[2Jb\n');
  expect((await run(['ps'], { retQuery: { error } })).stderr).toBe('error: a\x1b[2Jb\n');
});

test.each([
  [['ps', '--state', 'asleep']],
  [['ps', '--nope']],
  [['ps', 'a b']],
  [['nope']],
  [['task']],
  [['task', 'create', 'web']],
  [['task', 'create', 'Web', '--', 'x']],
  [['task', 'create', '--', 'x']],
  [['task', 'create', 'web', 'x']],
  [['task', 'create', 'web', '--']],
  [['task', 'create', 'web', '--restart', 'sometimes', '--', 'x']],
  [['task', 'create', 'web', '--on', 'a b', '--', 'x']],
  [['task', 'create', 'web', '--stop-grace', '5', '--', 'x']],
  [['task', 'create', 'web', '--stop-signal', 'x', '--', 'x']],
  [['task', 'set', 'web', '--keep-runs', 'many']],
  [['task', 'rm']],
  [['task', 'show', 'a', 'b']],
  [['task', 'enable']],
  [['load', './dir']],
  [['load', '--name', 'b']],
  [['load', './dir', '--name', 'B']],
  [['node', 'label', 'n1']],
  [['node', 'label', 'n1', 'zone']],
  [['node', 'label', 'n1', 'zone=a b']],
  [['node', 'rm', 'n 1']],
  [['token', 'create']],
  [['token', 'create', '--role', 'root']],
  [['token', 'create', '--role', 'agent', '--ttl', '8d']],
  [['token', 'create', '--role', 'agent', '--uses', '0']],
  [['token', 'create', '--role', 'agent', '--label', 'x']],
  [['operation', 'show']],
  [['wait', 'web', '--for', 'ever']],
  [['wait']],
  [['logs']],
  [['logs', 'web', '--stdout', '--stderr']],
  [['logs', 'web', '--since', 'x']],
  [['logs', 'web', '--run', 'x']],
  [['run', '--', 'x']],
  [['run', '--on', '@all']],
  [['run', '--on', '@all', 'x']],
  [['run', '--on', '@all', '--batch', '0', '--', 'x']],
  [['run', '--on', 'n1', '-t', '--', 'x']],
  [['ping', '-c', '0']],
  [['events', '--since', 'x']],
])('%j is a usage error', async (words) => {
  const { ask, exitCode, stderr, stdout } = await run(words, {});
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).not.toBe('');
  expect(ask.said).toEqual([]);
});

test('task create: limits, exactly as they were meant', async () => {
  const words = ['--memory', '1.5G', '--cpu', '0.5', '--pids', '100', '--nofile', '64'];
  const { ask, exitCode } = await run(
    [
      'task',
      'create',
      'web',
      ...words,
      '--log-max',
      '256MiB',
      '--memory-warn',
      '1G',
      '--',
      './web',
    ],
    { taskAdd: { ok: { revision: 1 } } },
  );
  expect(exitCode).toBe(0);
  expect(ask.last('taskAdd')).toMatchObject({
    spec: {
      ...{ memoryMaxBytes: 1.5 * 1024 ** 3, cpuMax: 0.5, pidsMax: 100, nofileMax: 64 },
      ...{ logMaxBytes: 256 * 1024 ** 2, memoryWarnBytes: 1024 ** 3, command: ['./web'] },
    },
  });
});

test.each([
  ['--memory', 'much'],
  ['--memory', '-1'],
  ['--cpu', '1e3'],
  ['--cpu', '-2'],
  ['--pids', '0'],
  ['--nofile', '1.5'],
  ['--log-max', '64 lines'],
])('task create %s %s is a usage error', async (option, value) => {
  const { exitCode } = await run(['task', 'create', 'web', option, value, '--', './web'], {});
  expect(exitCode).toBe(2);
});

test('task set: an empty limit is taken out, the others stay', async () => {
  const spec = { command: ['./web'], memoryMaxBytes: 1 << 20, cpuMax: 2 };
  const { ask } = await run(['task', 'set', 'web', '--memory', ''], {
    ...{ retQuery: { ok: { tasks: [{ ...task, spec }] } }, taskAdd: { ok: { revision: 2 } } },
  });
  expect(ask.last('taskAdd')?.['spec']).toEqual({ command: ['./web'], cpuMax: 2 });
});

test('task show and node show: limits as a manifest has them, and by what they are held', async () => {
  const spec = { command: ['./web'], memoryMaxBytes: 512 * 1024 ** 2, pidsMax: 7 };
  const shown = await run(['task', 'show', 'web', '--json'], {
    retQuery: { ok: { tasks: [{ ...task, spec }] } },
  });
  expect(json(shown.stdout)).toMatchObject({
    ...{ limits: { memory: '512MiB', cpu: null, pids: 7 }, nofile: null, logMax: '64MiB' },
  });
  const holds = { memory: 'cgroup1', pids: 'rlimit', nofile: 'rlimit', uid: '0' };
  const held = await run(['node', 'show', 'n1', '--json'], {
    retQuery: { ok: { nodes: [{ ...node, containment: 'cgroup', holds }] } },
  });
  expect(json(held.stdout)).toMatchObject({
    containment: 'cgroup',
    limits: { memory: 'cgroup1', cpu: 'none', pids: 'rlimit', nofile: 'rlimit' },
  });
});

test.each([
  [['--preempt'], 'suspend'],
  [['--preempt=kill'], 'kill'],
  [['--preempt=no'], 'no'],
])('task create: room, priority and %j', async (words, preempt) => {
  const given = ['--slots', '2', '--priority', '70', ...words];
  for (const line of [
    ['task', 'create', 'web', ...given, '--', './web'],
    // As clipanion reads it, and as plain-line.ts does.
    ['task', 'set', 'web', ...given],
  ]) {
    const { ask, exitCode } = await run(line, {
      ...{ retQuery: { ok: { tasks: [task] } }, taskAdd: { ok: { revision: 1 } } },
    });
    expect(exitCode).toBe(0);
    expect(ask.last('taskAdd')?.['spec']).toEqual({
      ...{ command: ['./web'], slots: 2, priority: 70, preempt },
    });
  }
});

test('task set --preempt= takes it out; what is no preemption is a usage error', async () => {
  const spec = { command: ['./web'], preempt: 'kill' };
  const { ask } = await run(['task', 'set', 'web', '--preempt='], {
    ...{ retQuery: { ok: { tasks: [{ ...task, spec }] } }, taskAdd: { ok: { revision: 2 } } },
  });
  expect(ask.last('taskAdd')?.['spec']).toEqual({ command: ['./web'] });
  for (const word of ['--preempt=often', '--slots=-1', '--priority=high']) {
    const { exitCode } = await run(['task', 'create', 'web', word, '--', './web'], {});
    expect(exitCode, word).toBe(2);
  }
});

test('task show: a service takes no slot; node show: the room of a node, with and without slots', async () => {
  const spec = { command: ['./web'], restart: 'always', preempt: 'suspend' };
  const shown = await run(['task', 'show', 'web', '--json'], {
    retQuery: { ok: { tasks: [{ ...task, spec }] } },
  });
  expect(json(shown.stdout)).toMatchObject({ slots: 0, preempt: true });
  const room = { cores: 1.5, memoryBytes: 1024 ** 3 };
  const told = async (has: object, words: readonly string[]): Promise<string> => {
    const answer = { retQuery: { ok: { nodes: [{ ...node, room: has }] } } };
    return (await run(['node', ...words], answer)).stdout;
  };
  expect(json(await told(room, ['show', 'n1', '--json']))).toMatchObject({
    room: { slots: null, ...room },
  });
  const wide = await told({ ...room, slots: 2 }, ['ls', '-o', 'wide']);
  expect(wide).toContain('slots=2,cpu=1.5,memory=1.0GiB');
});

test('--prune is for tasks and schedules by name: a label selects none of them', async () => {
  const words = ['apply', '-f', '-', '--prune', '--selector', 'zone=a'];
  const { exitCode, stderr } = await run(words, {});
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('"zone=a" is no name')]);
});
