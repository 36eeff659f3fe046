import { expect, test } from 'vitest';
import { LotcError } from '../../base/errors.ts';
import { judgeEnrolment } from './enrol.ts';

test.each([
  ['unreachable', 'retry'],
  ['unresponsive', 'retry'],
  ['busy', 'retry'],
  ['disk-full', 'retry'],
  ['token-used', 6],
  ['token-expired', 6],
  ['unauthenticated', 6],
  ['usage', 6],
  ['name-taken', 8],
  ['copied', 8],
] as const)('enrolment refused with %s: %s', (code, expected) => {
  const verdict = judgeEnrolment('ask', new LotcError(code, 'no'));
  expect(verdict.kind === 'end' ? verdict.error.exitCode : verdict.kind).toBe(expected);
});

test('another CA than the pinned one ends it before anything was sent', () => {
  const verdict = judgeEnrolment('probe', new LotcError('wrong-server', 'no'));
  expect(verdict).toMatchObject({ kind: 'end', error: { code: 'wrong-server', exitCode: 6 } });
  expect(judgeEnrolment('probe', new Error('ECONNRESET')).kind).toBe('retry');
});
