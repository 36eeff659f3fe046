/** A start that comes late, while one of a later instant waits at its gate. */
import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';

const T0 = 1 * SECOND;

const living = (node: Scheduled): number =>
  [...node.directories.values()].filter(({ main }) => main === 'alive').length;

/**
 * At 9.7 s: the run of `late` (due at 10) waits at its gate, and the agent comes back to the
 * instant of `soon`, which it was told in its last life and missed.
 */
function back(overlap: string, more: readonly string[] = ['soon']): Scheduled {
  const node = new Scheduled().begin(task('web'), schedule('late', T0, { at: 10 * SECOND }));
  node.pass(8);
  const missed = { missed: 'once', overlap };
  node.assignOnly(more.map((name) => schedule(name, T0, { at: 9.5 * SECOND, ...missed })));
  while (node.tables.fires.size <= more.length) node.commit();
  node.crash();
  node.sleep(700);
  node.boot();
  node.connect();
  return node;
}

const told = (node: Scheduled): string[] =>
  node.fires.map(({ schedule: name, result }) => `${name} ${result}`);

test.each(['forbid', 'queue', 'replace'])(
  '%s: it begins only once the other is known to be held no more',
  (overlap) => {
    const node = back(overlap);
    expect([node.programs, node.cancels]).toEqual([[], []]);
    while (node.cancels.length === 0) node.work();
    expect(node.programs).toEqual([]);
    node.settle();
    expect(living(node)).toBe(1);
    node.endSome();
    node.settle();
    node.pass(3, () => node.endSome());
    expect(told(node)).toEqual(['soon ok', 'late ok']);
  },
);

test.each([
  ['forbid', ['soon skipped', 'late ok']],
  ['queue', ['late ok', 'soon ok']],
  ['replace', ['soon ok', 'late ok']],
])('%s: the gate was faster, and it is judged beside what runs', (overlap, ledger) => {
  const node = back(overlap);
  node.sleep(400);
  node.settle();
  expect(living(node)).toBe(1);
  for (let n = 0; n < 4; n += 1) {
    node.endSome();
    node.pass(1);
    expect(living(node)).toBeLessThanOrEqual(1);
  }
  expect(told(node).sort()).toEqual([...ledger].sort());
  node.checkTruth();
});

test('the agent dies while it waits for that: the next life begins it, and alone', () => {
  const node = back('replace');
  node.commit();
  node.commit();
  node.crash();
  node.boot();
  node.connect();
  node.settle();
  expect(living(node)).toBe(1);
  node.endSome();
  node.settle();
  node.pass(3, () => node.endSome());
  expect(told(node)).toEqual(['soon ok', 'late ok']);
});

test('several that wait begin one after the other', () => {
  const node = back('replace', ['a', 'b', 'c']);
  node.crash();
  node.boot();
  node.connect();
  for (let n = 0; n < 200; n += 1) {
    node.work();
    expect(living(node)).toBeLessThanOrEqual(1);
    node.commit();
  }
  node.pass(3, () => node.endSome());
  expect(told(node).filter((text) => !text.startsWith('late'))).toHaveLength(3);
  expect(node.tables.fires.size).toBe(0);
});
