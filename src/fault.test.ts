import { UsageError } from 'clipanion';
import { expect, test } from 'vitest';
import { LotcError } from './base/errors.ts';
import { describeError, wantsJson } from './fault.ts';

const usage = (error: Error): string => `Usage: ${error.message}\n`;
const mistake = (): undefined => undefined;

test.each([
  [['admin', 'ps', '--json'], {}, true],
  [['admin', 'ps', '-o', 'json'], {}, true],
  [['admin', 'ps', '-ojson'], {}, true],
  [['admin', 'ps', '--output=json'], {}, true],
  [['admin', 'ps'], { LOTC_OUTPUT: 'json' }, true],
  [['admin', 'ps', '-o', 'name'], { LOTC_OUTPUT: 'json' }, false],
  [['admin', 'run', '--on', 'a', '--', 'prog', '--json'], {}, false],
  [['admin', 'ps'], {}, false],
])('%j with %j wants JSON: %s', (words, env, expected) => {
  expect(wantsJson(words, env)).toBe(expected);
});

test('a usage error is 2, in the words of the parser', () => {
  const fault = describeError(new UsageError('no such option'), { json: false, mistake, usage });
  expect(fault).toEqual({ exitCode: 2, text: 'Usage: no such option\n' });
});

test('an answer keeps its code, its node and its remedy', () => {
  const error = new LotcError('not-suspended', 'task "web" is not suspended', {
    hint: 'nothing to resume',
    node: 'n1',
  });
  expect(describeError(error, { json: false, mistake, usage })).toEqual({
    exitCode: 8,
    text: 'lotc: task "web" is not suspended\n      nothing to resume\n',
  });
  const { text } = describeError(error, { json: true, mistake, usage });
  expect(JSON.parse(text)).toEqual({
    error: {
      code: 'not-suspended',
      message: 'task "web" is not suspended',
      node: 'n1',
      hint: 'nothing to resume',
    },
  });
});

test('a bug of ours is 1 and keeps its stack', () => {
  const fault = describeError(new RangeError('boom'), { json: false, mistake, usage });
  expect(fault.exitCode).toBe(1);
  expect(fault.text).toContain('RangeError: boom\n    at ');
});
