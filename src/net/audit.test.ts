import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AUDIT_START, AuditChain, auditHash } from './audit.ts';
import type { Shape } from './layout.ts';

type Entry = Shape<'audit'>;

function chainOf(count: number): Entry[] {
  const entries: Entry[] = [];
  let hash = AUDIT_START;
  for (let number = 1; number <= count; number += 1) {
    const entry = { number, seq: number * 3, at: number * 1_000_000, who: 'ann', verb: 'taskRun' };
    hash = auditHash(hash, entry);
    entries.push({ ...entry, hash });
  }
  return entries;
}

/** What a check says of these entries, given where the server says the chain ends. */
function check(entries: readonly Entry[], end: Entry | undefined, anchor?: Entry): string {
  const { number = 0, hash = AUDIT_START } = anchor ?? {};
  const chain = new AuditChain({ number, hash });
  for (const entry of entries) {
    const fault = chain.next(entry);
    if (fault !== undefined) return fault;
  }
  return chain.ends({ number: end?.number ?? 0, hash: end?.hash ?? AUDIT_START }) ?? 'whole';
}

test('a chain is whole, from its beginning and from an anchor, and while it grows', () => {
  const all = chainOf(20);
  expect(check(all, all.at(-1))).toBe('whole');
  expect(check(all.slice(7), all.at(-1), all[6])).toBe('whole');
  expect(check(all, all.at(-1), all[6])).toBe('whole');
  expect(check(all, all[9])).toBe('whole');
  expect(check([], undefined)).toBe('whole');
});

test('whatever is removed, changed or swapped shows', () => {
  const all = chainOf(12);
  const any = fc.integer({ min: 0, max: all.length - 1 });
  fc.assert(
    fc.property(any, any, fc.constantFrom('cut', 'change', 'swap', 'end'), (i, j, how) => {
      const entries = [...all];
      if (how === 'cut') entries.splice(i, 1);
      if (how === 'end') entries.splice(i);
      if (how === 'change') entries[i] = { ...(all[i] as Entry), who: 'eve' };
      if (how === 'swap') {
        fc.pre(i !== j);
        [entries[i], entries[j]] = [all[j] as Entry, all[i] as Entry];
      }
      expect(check(entries, all.at(-1))).not.toBe('whole');
    }),
  );
});

test('who rewrites all that follows is caught by the end that the state knows', () => {
  const all = chainOf(5);
  const forged = chainOf(5).map((entry) => ({ ...entry, who: 'eve' }));
  let hash = AUDIT_START;
  for (const [index, { hash: _, ...entry }] of forged.entries()) {
    hash = auditHash(hash, entry);
    forged[index] = { ...entry, hash };
  }
  expect(check(forged, all.at(-1))).toBe('entry 5 was changed, and what follows it');
});
