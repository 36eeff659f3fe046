import { expect, test } from 'vitest';
import { type ErrorCode, errorCodes } from '../../base/errors.ts';
import type { Shape } from '../../net/layout.ts';
import type { Answer } from './client.ts';
import { judgeAnswers, judgeRun, judgeWait, runFailureExit } from './outcome.ts';

const ok: Answer = { ok: true, node: 'n1' };
const no = (code: ErrorCode, node = 'n2'): Answer => {
  return {
    ok: false,
    node,
    task: 'web',
    errorCode: errorCodes[code].number,
    text: `${code} ${node}`,
  };
};

test.each<[Answer[], number]>([
  [[], 0],
  [[ok], 0],
  [[ok, ok], 0],
  [[no('failed')], 1],
  [[no('not-running')], 8],
  [[no('unresponsive')], 124],
  [[no('no-such-task')], 4],
  [[no('not-running'), no('not-running')], 8],
  [[no('not-running'), no('is-pending')], 8],
  [[no('not-running'), no('no-such-task')], 7],
  [[ok, no('not-running')], 7],
  [[ok, no('unresponsive')], 7],
  [[no('unresponsive'), no('unresponsive')], 124],
])('answers %j end with %i', (answers, exitCode) => {
  expect(judgeAnswers(answers).exitCode).toBe(exitCode);
  expect(judgeAnswers(answers).complaints).toHaveLength(answers.filter((one) => !one.ok).length);
});

test('an answer without text is named all the same', () => {
  const { complaints } = judgeAnswers([{ ok: false, node: 'n1', task: 'web', errorCode: 9_999 }]);
  expect(complaints).toEqual([
    { code: 'failed', message: 'web@n1: failed', node: 'n1', hint: undefined },
  ]);
});

const run = (processState: string, more: Partial<Shape<'process'>> = {}): Shape<'process'> => {
  return { run: 'R0123456789A', task: 'web', node: 'n1', processState, ...more };
};

test.each<[string, Shape<'process'>[], number]>([
  ['exited', [run('exited', { exitCode: 0 })], 0],
  ['exited', [run('exited', { exitCode: 3 })], 3],
  ['exited', [run('exited', { signal: 'SIGKILL' })], 137],
  ['exited', [run('exited', { signal: 'SIGTERM', exitCode: 0 })], 143],
  ['exited', [run('failed')], 3],
  ['exited', [run('lost')], 3],
  ['exited', [run('exited', { exitCode: 0 }), run('exited', { exitCode: 0 })], 0],
  ['exited', [run('exited', { exitCode: 0 }), run('exited', { exitCode: 5 })], 7],
  ['exited', [run('exited', { exitCode: 5 }), run('exited', { exitCode: 5 })], 7],
  ['exited', [run('exited', { exitCode: 0 }), run('lost')], 7],
  ['exited', [run('lost'), run('failed')], 3],
  ['running', [run('running')], 0],
  ['ready', [run('running')], 0],
  ['running', [run('exited', { exitCode: 0 })], 3],
  ['suspended', [run('suspended')], 0],
  ['suspended', [run('failed')], 3],
  ['gone', [run('lost'), run('exited', { exitCode: 9 })], 0],
  ['gone', [], 0],
])('wait --for %s on %j ends with %i', (waitFor, processes, exitCode) => {
  expect(judgeWait(processes, waitFor).exitCode).toBe(exitCode);
});

test('a wrong end is named with its reason', () => {
  const { complaints } = judgeWait([run('failed', { reason: 'ENOENT: no such file' })], 'exited');
  expect(complaints[0]?.message).toBe('web@n1 is failed, not exited: ENOENT: no such file');
});

test('of several programs each that ended badly is named; one alone is its code', () => {
  const processes = [
    run('exited', { exitCode: 0 }),
    run('exited', { exitCode: 5, node: 'n2' }),
    run('exited', { signal: 'SIGKILL', node: 'n3' }),
  ];
  const named = ['web@n2 ended with code 5', 'web@n3 ended by SIGKILL'];
  const waited = judgeWait(processes, 'exited').complaints;
  expect(waited.map(({ message }) => message)).toEqual(named);
  const ran = judgeRun(processes, []).complaints;
  expect(ran.map(({ message }) => message)).toEqual(named);
  expect(judgeWait(processes.slice(1, 2), 'exited').complaints).toEqual([]);
  expect(judgeRun(processes.slice(1, 2), []).complaints).toEqual([]);
});

test.each<[Shape<'process'>[], Answer[], number]>([
  [[run('exited', { exitCode: 0 })], [], 0],
  [[run('exited', { exitCode: 42 })], [], 42],
  [[run('exited', { signal: 'SIGINT' })], [], 130],
  [[run('failed', { reason: 'ENOENT: no such file or directory' })], [], 127],
  [[run('failed', { reason: 'EACCES: permission denied' })], [], 126],
  [[run('failed', { reason: 'ENOENT: bad interpreter /nope' })], [], 126],
  [[run('failed', { reason: 'there is no user "x"' })], [], 125],
  [[run('lost')], [], 125],
  [[run('running')], [], 125],
  [[run('exited', { exitCode: 0 }), run('exited', { exitCode: 0 })], [], 0],
  [[run('exited', { exitCode: 2 }), run('exited', { exitCode: 2 })], [], 7],
  [[run('exited', { exitCode: 0 })], [no('unresponsive')], 7],
  [[], [no('unresponsive')], 124],
  [[], [no('not-selected'), no('not-selected')], 8],
])('run with %j and %j ends with %i', (processes, answers, exitCode) => {
  expect(judgeRun(processes, answers).exitCode).toBe(exitCode);
});

test("a batch that ended early does not end with one program's code", () => {
  expect(judgeRun([run('exited', { exitCode: 3 })], [], true).exitCode).toBe(7);
  expect(judgeRun([run('exited', { exitCode: 0 })], [], true).exitCode).toBe(0);
});

test('lotc itself failing is 125, its arguments failing is not', () => {
  expect([1, 2, 3, 4, 5, 6, 8, 124].map(runFailureExit)).toEqual([125, 2, 125, 4, 125, 6, 8, 124]);
});
