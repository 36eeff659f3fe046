/** The six verbs against a scripted server: what they ask, print, and end with. */
import { expect, test } from 'vitest';
import { errorCodes } from '../../../base/errors.ts';
import { failure, Refused } from '../client.ts';
import { run, settle } from '../fake.io.ts';

const operation = 'O0123456789A';
const ok = { ok: true, node: 'n1', task: 'web', run: 'R0123456789A' };
const away = {
  ...{ ok: false, node: 'n2', task: 'web', text: 'node n2 does not answer' },
  errorCode: errorCodes.unresponsive.number,
};

test('without --wait: the id of the operation, once durable', async () => {
  const { ask, exitCode, stderr, stdout } = await run(['start', 'web', '--on', 'n1,zone=a'], {
    taskRun: { ack: { operation, answers: [] }, ok: { operation, answers: [] } },
  });
  expect([exitCode, stdout, stderr]).toEqual([0, `${operation}\n`, '']);
  expect(ask.last('taskRun')).toEqual({ targets: ['web'], on: 'n1,zone=a', mode: 'start' });
  expect(ask.closed).toBe(true);
});

test('with --wait: what each target did', async () => {
  const { ask, exitCode, stdout } = await run(['task', 'suspend', 'web', '--wait'], {
    taskStop: { ack: { operation }, ok: { operation, answers: [ok] } },
  });
  expect([exitCode, stdout]).toEqual([0, 'web@n1: suspended\n']);
  expect(ask.last('taskStop')).toEqual({ targets: ['web'], wait: true });
});

test('some failed: 7, named on stderr and in JSON', async () => {
  const script = { taskKill: { ack: { operation }, ok: { operation, answers: [ok, away] } } };
  const text = await run(['stop', 'web', '--wait'], script);
  expect(text.exitCode).toBe(7);
  expect(text.stdout).toBe('web@n1: ended\n');
  expect(text.stderr).toBe('error: node n2 does not answer\n');
  const json = await run(['stop', 'web', '--wait', '--json'], script);
  expect(json.exitCode).toBe(7);
  const { answers } = JSON.parse(json.stdout) as { answers: { ok: boolean; code: string }[] };
  expect(answers.map((answer) => [answer.ok, answer.code])).toEqual([
    [true, null],
    [false, 'unresponsive'],
  ]);
  expect(JSON.parse(json.stderr)).toEqual({
    error: { code: 'unresponsive', message: 'node n2 does not answer', node: 'n2' },
  });
});

test('refused: one error line, one hint, the code of the reason', async () => {
  const text = 'task "web" is not suspended on node n1 (state: running); nothing to resume';
  const hint = 'see: lotc admin ps';
  const answers = [{ ok: false, node: 'n1', text, hint, errorCode: 25 }];
  const error = new Refused(failure('not-suspended', text, { hint, answers }));
  const refused = await run(['resume', 'web'], { taskCont: { error } });
  expect([refused.exitCode, refused.stdout]).toEqual([8, '']);
  expect(refused.stderr).toBe(`error: ${text}\nhint: ${hint}\n`);
  const unknown = new Refused(failure('no-such-task', 'there is no task "nope"'));
  const json = await run(['kill', 'nope', '--json'], { taskKill: { error: unknown } });
  expect(json.exitCode).toBe(4);
  expect(JSON.parse(json.stderr)).toEqual({
    error: { code: 'no-such-task', message: 'there is no task "nope"' },
  });
});

test('already so is success', async () => {
  const text = 'task "web" on node n1: running already';
  const { exitCode, stdout } = await run(['start', 'web', '--wait'], {
    taskRun: { ok: { operation, answers: [{ ...ok, unchanged: true, text }] } },
  });
  expect([exitCode, stdout]).toEqual([0, `${text}\n`]);
});

test('the options of each verb', async () => {
  const script = { ok: { operation, answers: [ok] } };
  const all = { taskRun: script, taskKill: script, taskStop: script, taskCont: script };
  const asked = async (...words: string[]) => (await run(words, all)).ask.said[0];
  const targets = ['web'];
  expect(
    await asked('start', 'web', '--env', 'A=1', '--env', 'B=x=y', '--', '--depth', '5'),
  ).toEqual({
    kind: 'taskRun',
    body: { targets, mode: 'start', env: { A: '1', B: 'x=y' }, arguments: ['--depth', '5'] },
  });
  expect(await asked('kill', 'web@n1', 'R0123456789A', '--signal', 'hup')).toEqual({
    kind: 'taskKill',
    body: { targets: ['web@n1', 'R0123456789A'], mode: 'kill', signal: 'SIGHUP' },
  });
  expect(await asked('stop', 'web')).toEqual({ kind: 'taskKill', body: { targets, mode: 'stop' } });
  expect(await asked('suspend', 'web', '--expires', '1h')).toEqual({
    ...{ kind: 'taskStop', body: { targets, expiresMs: 3_600_000 } },
  });
  expect(await asked('task', 'resume', 'web', '--expires', '5m')).toEqual({
    ...{ kind: 'taskCont', body: { targets, expiresMs: 300_000 } },
  });
  expect(await asked('restart', 'web')).toEqual({
    ...{ kind: 'taskRun', body: { targets, mode: 'restart' } },
  });
});

test('targets from stdin', async () => {
  const script = { taskStop: { ok: { operation, answers: [ok] } } };
  const { ask } = await run(['suspend', '-', 'x'], script, { stdin: 'web@n1\nweb@n2\n' });
  expect(ask.last('taskStop')).toEqual({ targets: ['web@n1', 'web@n2', 'x'] });
  const none = await run(['suspend', '-'], script, { stdin: '\n' });
  expect(none.exitCode).toBe(4);
  expect(none.ask.said).toEqual([]);
});

test.each([
  [['start']],
  [['start', 'NOPE']],
  [['start', 'web@n1@n2']],
  [['start', 'web', '--on', 'n[1']],
  [['start', 'web', '--env', 'A']],
  [['start', 'web', '--timeout', 'soon']],
  [['start', 'web', '--timeout', '0s']],
  [['start', 'web', '--at', '2026-12-01']],
  [['start', 'web', '-o', 'xml']],
  [['kill', 'web', '--signal', 'NOPE']],
  [['suspend', 'web', '--expires', '5']],
  [['restart', 'web', '--pause', '1s']],
  [['restart', 'web', '--batch', '0']],
  [['restart', 'web', '--batch', '101%']],
])('%j is a usage error', async (words) => {
  const { ask, exitCode, stderr, stdout } = await run(words, {});
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).not.toBe('');
  expect(ask.said).toEqual([]);
});

test('the time is up: 124, and who has not answered', async () => {
  const row = { operation, verb: 'start', targets: ['web'], at: 1, operationState: 'accepted' };
  const { ask, exitCode, stderr } = await run(
    ['start', 'web', '--wait', '--timeout', '2s'],
    {
      taskRun: { ack: { operation }, silent: true },
      retQuery: { ok: { operations: [{ ...row, nodes: [{ node: 'n2', nodeState: '' }] }] } },
    },
    {
      during: async (console) => {
        await settle();
        console.pass(2_000);
      },
    },
  );
  expect(exitCode).toBe(124);
  expect(stderr).toContain('error: no answer from n2 within 2s\n');
  expect(stderr).toContain(`operation cancel ${operation}`);
  expect(ask.dropped).toEqual(['taskRun']);
});

test.each([
  ['start', 'web@n2 is pending (waits for room)'],
  ['drain', 'web@n2 is pending (waits for room), job@n2 is running'],
])('the time is up: %s says what is not done', async (verb, why) => {
  const row = { operation, verb, targets: ['web'], at: 1, operationState: 'accepted' };
  const processes = [
    { run: 'R1', task: 'web', node: 'n2', processState: 'pending', operation },
    { run: 'R2', task: 'job', node: 'n2', processState: 'running' },
    { run: 'R3', task: 'old', node: 'n2', processState: 'exited', operation },
  ].map((one, index) => (index === 0 ? { ...one, reason: 'waits for room' } : one));
  const nodes = [{ node: 'n2', nodeState: '' }];
  const { stderr } = await run(
    ['start', 'web', '--wait', '--timeout', '2s'],
    {
      taskRun: { ack: { operation }, silent: true },
      retQuery: { ok: { operations: [{ ...row, nodes }], processes } },
    },
    {
      during: async (console) => {
        await settle();
        console.pass(2_000);
      },
    },
  );
  expect(stderr).toContain(`error: no answer from n2 within 2s: ${why}\n`);
});

test('the time is up before anything was accepted', async () => {
  const { exitCode, stderr } = await run(
    ['start', 'web', '--wait'],
    { taskRun: { silent: true } },
    {
      during: async (console) => {
        await settle();
        console.pass(59_999);
        await settle();
        console.pass(1);
      },
    },
  );
  expect([exitCode, stderr]).toEqual([124, 'error: no answer within 1m\nhint: see --timeout\n']);
});

const process = (node: string) => ({
  ...{ run: `R0123456789${node.slice(1)}`, task: 'web', node, processState: 'running' },
});

test('restart in steps: each waits until ready, then what did not run is started', async () => {
  const processes = ['n1', 'n2', 'n3'].map(process);
  const { ask, exitCode } = await run(
    ['restart', 'web', '--batch', '2', '--pause', '5s'],
    {
      retQuery: { ok: { processes } },
      taskRun: { ok: { operation, answers: [ok] } },
      retWait: { ok: { processes: [process('n1')] } },
    },
    {
      prepare: (console) => {
        console.skips = true;
        console.after = (ms, callback) => {
          if (ms === 5_000) queueMicrotask(callback);
          return () => undefined;
        };
      },
    },
  );
  expect(exitCode).toBe(0);
  expect(
    ask.said.map(({ body, kind }) => [kind, body['targets'] ?? body['names'], body['mode']]),
  ).toEqual([
    ['retQuery', ['web'], undefined],
    ['taskRun', ['web@n1', 'web@n2'], 'restart'],
    ['retWait', ['web@n1', 'web@n2'], undefined],
    ['taskRun', ['web@n3'], 'restart'],
    ['retWait', ['web@n3'], undefined],
    ['taskRun', ['web'], 'start'],
  ]);
});

test('restart in steps ends at the first that fails', async () => {
  const { ask, exitCode, stderr } = await run(['restart', 'web', '--batch', '50%'], {
    retQuery: { ok: { processes: ['n1', 'n2'].map(process) } },
    taskRun: { ok: { operation, answers: [ok] } },
    retWait: { ok: { processes: [{ ...process('n1'), processState: 'failed', reason: 'gone' }] } },
  });
  expect(exitCode).toBe(1);
  expect(ask.said.filter(({ kind }) => kind === 'taskRun')).toHaveLength(1);
  expect(stderr).toContain('web@n1 is failed, not ready: gone');
  expect(stderr).toContain('1 more left as they were');
});
