import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EndFacts, judgeEnd, policyOf } from './restart.ts';

const failed: EndFacts = { wish: 'up', how: 'exited', exitCode: 1, ranMs: 50, streak: 0 };
const always = policyOf({ restart: 'always' });
const onFailure = policyOf({ restart: 'on-failure' });

test('who lives again: policy × end', () => {
  const ends: Record<string, EndFacts> = {
    code0: { ...failed, exitCode: 0 },
    code1: failed,
    signal: { ...failed, exitCode: undefined, signal: 'SIGKILL' },
    lost: { ...failed, how: 'lost', exitCode: undefined },
    down: { ...failed, wish: 'down' },
  };
  const drawn = [policyOf(undefined), onFailure, always].map((policy) =>
    Object.values(ends)
      .map((end) => judgeEnd(end, policy, 0).kind)
      .join(' '),
  );
  expect(drawn).toEqual([
    'stays stays stays stays stays',
    'stays again again again stays',
    'again again again again stays',
  ]);
});

test('the wait doubles up to its most, and begins anew after a healthy time', () => {
  const waits: number[] = [];
  let streak = 0;
  for (let n = 0; n < 11; n += 1) {
    const verdict = judgeEnd({ ...failed, streak }, always, 0);
    if (verdict.kind !== 'again') throw new Error(verdict.kind);
    waits.push(verdict.inMs);
    streak = verdict.streak;
  }
  expect(waits.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(waits.slice(-2)).toEqual([300_000, 300_000]);
  expect(judgeEnd({ ...failed, streak, ranMs: 599_999 }, always, 0)).toMatchObject({ streak: 12 });
  expect(judgeEnd({ ...failed, streak, ranMs: 600_000 }, always, 0)).toMatchObject({
    ...{ streak: 1, inMs: 1_000, reason: 'restarts in 1 s: exited with code 1' },
  });
});

test('restarts are used up, and the reason says how it ended and what it said', () => {
  const policy = policyOf({ restart: 'on-failure', maxRestarts: 2 });
  const end = { ...failed, streak: 2, tail: 'no config | giving up' };
  expect(judgeEnd(end, policy, 0)).toEqual({
    kind: 'used-up',
    reason:
      'exited with code 1 after it was restarted 2 times in a row; stderr: no config | giving up',
  });
  expect(judgeEnd(failed, policyOf({ restart: 'always', maxRestarts: 0 }), 0)).toEqual({
    kind: 'used-up',
    reason: 'exited with code 1',
  });
});

test('a wait is never above its most, never below four fifths of its least, never NaN', () => {
  const property = fc.property(
    fc.nat(100_000),
    fc.nat(10_000_000),
    fc.nat(10_000),
    fc.double({ min: 0, max: 0.999_999, noNaN: true }),
    (least, more, streak, random) => {
      const backoffMaxMs = least + more;
      const policy = policyOf({ restart: 'always', backoffMinMs: least, backoffMaxMs });
      const verdict = judgeEnd({ ...failed, streak }, policy, random);
      if (verdict.kind !== 'again') throw new Error(verdict.kind);
      expect(verdict.inMs).toBeLessThanOrEqual(backoffMaxMs);
      expect(verdict.inMs).toBeGreaterThanOrEqual(Math.floor(least * 0.8));
    },
  );
  fc.assert(property);
});
