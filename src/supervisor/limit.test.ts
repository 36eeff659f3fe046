import { expect, test } from 'vitest';
import { legacyMounts, limitFault, limitSupport, planLimits } from './limit.ts';

const all = { memoryBytes: 1 << 20, cpus: 0.5, pids: 7, nofile: 64 };

test('the means are the best there are', () => {
  expect(limitSupport(['memory', 'pids'], ['memory', 'cpu'])).toEqual({
    ...{ memory: 'cgroup2', cpu: 'cgroup1', pids: 'cgroup2', nofile: 'rlimit' },
  });
  expect(limitSupport([], [])).toEqual({
    ...{ memory: 'rlimit', cpu: undefined, pids: 'rlimit', nofile: 'rlimit' },
  });
});

test('what cannot be held is refused with the reason', () => {
  const bare = limitSupport([], []);
  expect(limitFault({ cpus: 1 }, bare, 1)).toMatch(/cannot limit CPU/);
  expect(limitFault({ pids: 1 }, bare, 0)).toMatch(/root/);
  expect(limitFault({ pids: 1, memoryBytes: 1, nofile: 1 }, bare, 1)).toBeUndefined();
  expect(limitFault(all, limitSupport(['memory', 'pids', 'cpu'], []), 0)).toBeUndefined();
  expect(() => planLimits({ cpus: 1 }, bare, 1)).toThrow(/cannot limit CPU/);
});

test('each means has its files', () => {
  expect(planLimits(all, limitSupport(['memory', 'pids', 'cpu'], []), 0)).toEqual({
    unified: [
      { file: 'memory.max', text: '1048576' },
      { file: 'memory.swap.max', text: '0', optional: true },
      { file: 'cpu.max', text: '50000 100000' },
      { file: 'pids.max', text: '7' },
    ],
    legacy: {},
    rlimits: [{ name: 'nofile', soft: 64, hard: 64 }],
  });
  const { unified, legacy } = planLimits(all, limitSupport([], ['memory', 'pids', 'cpu']), 0);
  expect(unified).toEqual([]);
  expect(Object.keys(legacy)).toEqual(['memory', 'cpu', 'pids']);
  expect(legacy.cpu?.map(({ text }) => text)).toEqual(['100000', '50000']);
  const { rlimits } = planLimits({ memoryBytes: 5, pids: 7 }, limitSupport([], []), 9);
  expect(rlimits.map(({ name, hard }) => [name, hard])).toEqual([
    ['as', 5],
    ['nproc', 7],
  ]);
});

test('a share too small for the kernel is the smallest it takes', () => {
  const { unified } = planLimits({ cpus: 0.001 }, limitSupport(['cpu'], []), 0);
  expect(unified).toEqual([{ file: 'cpu.max', text: '1000 100000' }]);
});

test('v1 controllers are found by their mounts, also where two are one', () => {
  const mounts = `cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
`;
  expect(legacyMounts(mounts)).toEqual({
    cpu: '/sys/fs/cgroup/cpu,cpuacct',
    memory: '/sys/fs/cgroup/memory',
  });
});
