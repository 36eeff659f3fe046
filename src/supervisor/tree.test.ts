import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  descendants,
  groupMounts,
  hasEnded,
  hasVariable,
  isStill,
  isStopPending,
  keyedValue,
  ownGroup,
  type ProcessStat,
  parsePids,
  parseStat,
} from './tree.ts';

const LINE =
  '4473 (cat) R 4453 4453 2280 0 -1 4194304 99 0 0 0 3 4 5 6 20 0 1 0 182846 3133440 360 1844 1 2';

test('a stat line gives its fields', () => {
  expect(parseStat(LINE)).toEqual({
    pid: 4473,
    state: 'R',
    parent: 4453,
    session: 2280,
    ownTicks: 7,
    childTicks: 11,
    threads: 1,
    startTicks: 182846,
    rssPages: 360,
  });
});

test('whatever a process calls itself, its other fields stay the same', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 15 }), (name) => {
      expect(parseStat(LINE.replace('cat', () => name))).toEqual(parseStat(LINE));
    }),
  );
  expect(parseStat(LINE.replace('(cat)', '(a) R 1 (b))'))).toEqual(parseStat(LINE));
});

test('what is no stat line is nothing', () => {
  for (const text of ['', '12', '12 (x)', '(x) R 1', 'x (y) R 1 2 3']) {
    expect(parseStat(text)).toBeUndefined();
  }
});

function stat(pid: number, parent: number, more: Partial<ProcessStat> = {}): ProcessStat {
  const rest = { state: 'S', session: 0, ownTicks: 0, childTicks: 0, threads: 1 };
  return { ...rest, pid, parent, startTicks: pid, rssPages: 1, ...more };
}

test('the descendants of a root: all below it, it and strangers not, parents first', () => {
  const all = [stat(9, 3), stat(2, 1), stat(3, 2), stat(4, 2), stat(5, 1), stat(6, 5)];
  expect(descendants(all, 2).map((found) => found.pid)).toEqual([3, 4, 9]);
  expect(descendants(all, 9)).toEqual([]);
});

test('the descendants of any forest are those whose chain of parents passes the root', () => {
  const forest = fc.array(fc.nat(), { maxLength: 40 }).map((picks) => {
    const parents = [0, ...picks.map((pick, index) => pick % (index + 1))];
    return parents.slice(1).map((parent, index) => stat(index + 2, parent + 1));
  });
  fc.assert(
    fc.property(forest, fc.integer({ min: 1, max: 41 }), (all, root) => {
      const parentOf = new Map(all.map((one) => [one.pid, one.parent]));
      const below = (pid: number): boolean => {
        const parent = parentOf.get(pid);
        return parent !== undefined && (parent === root || below(parent));
      };
      const expected = all.map((one) => one.pid).filter(below);
      const found = descendants(all, root).map((one) => one.pid);
      expect(found.toSorted((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test('a listing with a circle ends', () => {
  expect(descendants([stat(2, 3), stat(3, 2), stat(2, 1)], 1).map((one) => one.pid)).toEqual([
    2, 3,
  ]);
});

test('a process whose first thread has ended is alive while others go on', () => {
  expect(hasEnded(stat(1, 0, { state: 'Z', threads: 2 }))).toBe(false);
  expect(hasEnded(stat(1, 0, { state: 'Z', threads: 1 }))).toBe(true);
  expect(['T', 't', 'Z', 'X'].every(isStill)).toBe(true);
  expect(['R', 'S', 'D', 'I'].some(isStill)).toBe(false);
});

test('a variable is found whole, wherever it stands', () => {
  for (const environ of [
    'LOTC_RUN=R1',
    'A=b\0LOTC_RUN=R1\0C=d',
    'LOTC_RUN=R1\0',
    'A=\0LOTC_RUN=R1',
  ]) {
    expect(hasVariable(environ, 'LOTC_RUN', 'R1')).toBe(true);
  }
  for (const environ of ['', 'XLOTC_RUN=R1\0', 'LOTC_RUN=R12\0', 'A=LOTC_RUN=R1\0']) {
    expect(hasVariable(environ, 'LOTC_RUN', 'R1')).toBe(false);
  }
});

test('files of control groups', () => {
  expect(parsePids('12\n0\n7\n\nx\n')).toEqual([12, 7]);
  expect(keyedValue('populated 1\nfrozen 0\n', 'frozen')).toBe(0);
  expect(keyedValue('populated 1\n', 'frozen')).toBeUndefined();
  expect(ownGroup('9:name=systemd:/x\n0::/a/b\n')).toBe('/a/b');
  expect(ownGroup('9:pids:/x\n')).toBeUndefined();
  expect(groupMounts('cgroup2 /a\\040b cgroup2 rw 0 0\ncgroup /c cgroup rw 0 0\n')).toEqual([
    '/a b',
  ]);
});

test('a stop that waits for a process to leave the kernel', () => {
  const status = (mask: string): string => `Name:\tvfork\nSigPnd:\t0\nShdPnd:\t${mask}\n`;
  expect(isStopPending(status('0000000000040000'))).toBe(true);
  expect(isStopPending(status('0000000000044100'))).toBe(true);
  expect(isStopPending(status('0000000000020000'))).toBe(false);
  expect(isStopPending('')).toBe(false);
});
