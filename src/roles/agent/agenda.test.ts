import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Agenda } from './agenda.ts';

test('the first and the due are those of a plain list, whatever was set in which order', () => {
  const change = fc.tuple(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.option(fc.nat(20), { nil: undefined }),
    fc.boolean(),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.nat(20), (changes, nowMs) => {
      const agenda = new Agenda();
      const plain = new Map<string, number>();
      for (const [who, ms, isAsked] of changes) {
        agenda.set(who, ms);
        if (ms === undefined) plain.delete(who);
        else plain.set(who, ms);
        const first = plain.size === 0 ? undefined : Math.min(...plain.values());
        // Asked for only now and then: what is remembered must not go stale meanwhile.
        if (isAsked) expect(agenda.firstMs).toBe(first);
      }
      const due = [...plain].filter(([, ms]) => ms <= nowMs).map(([who]) => who);
      expect([...agenda.by(nowMs)].toSorted()).toEqual(due.toSorted());
    }),
  );
});
