/** What is said where a verb does nothing, or may not: the thing, the reason, the remedy. */
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../../base/errors.ts';
import { verdictOf, verdicts } from '../../../base/verbs.ts';
import { hintOf, sentence } from './verdict.ts';

const hints: readonly (readonly [ErrorCode, string])[] = [
  ['already-suspended', 'to let it go on: lotc admin resume web@n1'],
  ['is-stopping', 'wait until it has ended: lotc admin wait web@n1 --for gone'],
  [
    'is-pending',
    'it has not started yet; wait until it runs: lotc admin wait web@n1 --for running',
  ],
  ['not-running', 'to start it: lotc admin start web@n1'],
  [
    'preempted',
    'see what has its room: lotc admin why web@n1; to keep it suspended: lotc admin suspend web@n1',
  ],
];

test.each(hints)('%s: %s', (code, hint) => {
  expect(hintOf(code, 'web@n1')).toBe(hint);
});

test('every refusal of the table of verbs names what it is about, and what to do', () => {
  const told = new Set(hints.map(([code]) => code));
  const cells = Object.values(verdicts).flatMap((row) => Object.values(row));
  for (const code of [...cells, verdictOf('resume', 'suspended', true)]) {
    if (code === 'act' || code === 'done') continue;
    const text = sentence(code, 'task "web"', 'n1', 'running');
    expect(text).toContain('task "web" is ');
    expect(text).toContain('node n1');
    // That one says by itself that there is nothing to do.
    if (code === 'not-suspended') expect(text).toContain('(state: running); nothing to resume');
    else expect(told, code).toContain(code);
  }
});

test('a task is enabled as a whole; a run is not started again', () => {
  expect(hintOf('disabled', 'web@n1')).toBe('to allow it: lotc admin task enable web');
  expect(hintOf('not-running', 'R0123456789A')).toBeUndefined();
});
