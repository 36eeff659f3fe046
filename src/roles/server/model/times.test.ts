import { expect, test } from 'vitest';
import { limits } from '../../../base/limits.ts';
import { apply } from './apply.ts';
import type { Command } from './command.ts';
import { emptyState } from './state.ts';
import { checkTimes } from './times.ts';

test.each([
  { expiresMs: limits.durationMsMax + 1 },
  { spec: { command: ['x'], keepForMs: Number.MAX_SAFE_INTEGER } },
  { timing: { inUs: limits.durationMsMax * 1000 + 1 } },
  { timing: { at: limits.instantUsMax + 1 } },
  { timing: { everyUs: 1_000_000, fromUs: Number.MAX_SAFE_INTEGER } },
  { tasks: [{ task: 'a' }, { spec: { stopGraceMs: Number.MAX_SAFE_INTEGER } }] },
])('%j is refused: what is reckoned from it could not be written down', (body) => {
  expect(() => checkTimes(body)).toThrow('is more than');
});

test('sizes, counts and bytes are no times', () => {
  const counts = { sizeBytes: Number.MAX_SAFE_INTEGER, count: Number.MAX_SAFE_INTEGER };
  expect(() => checkTimes(counts)).not.toThrow();
  const times = { key: new Uint8Array(16), at: limits.instantUsMax, stopGraceMs: 10_000 };
  expect(() => checkTimes(times)).not.toThrow();
});

test('a request with a time that is none is refused, not carried out', () => {
  const body = { targets: ['web'], expiresMs: Number.MAX_SAFE_INTEGER };
  const key = Buffer.alloc(16, 1);
  const command = { kind: 'taskStop', body, key, at: 1_000, who: 'admin', origin: 'test' };
  const { reply } = apply(emptyState(), command as unknown as Command, 1);
  expect(reply).toMatchObject({ ok: false, code: 'usage' });
});
