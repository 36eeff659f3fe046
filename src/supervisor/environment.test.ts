import { expect, test } from 'vitest';
import { buildEnvironment, type EnvironmentOptions, variableFault } from './environment.ts';

const options: EnvironmentOptions = {
  node: 'n1',
  task: 'crawl',
  run: 'R1',
  user: { uid: 5, gid: 5, groups: [5], name: 'ann', home: '/home/ann', shell: '/bin/zsh' },
  temporary: '/d/runs/R1/tmp',
  variables: [],
};

test('exactly the documented variables, and nothing of the agent', () => {
  expect(buildEnvironment(options)).toEqual([
    'HOME=/home/ann',
    'LANG=C.UTF-8',
    'LOGNAME=ann',
    'LOTC_NODE=n1',
    'LOTC_RUN=R1',
    'LOTC_TASK=crawl',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'SHELL=/bin/zsh',
    'TMPDIR=/d/runs/R1/tmp',
    'USER=ann',
  ]);
});

test('the task may change the usual, the start the task, nobody which run it is', () => {
  const variables = [
    { PATH: '/opt', DEPTH: '1', LOTC_RUN: 'R9', LOTC_SPOOF: 'x', __proto__x: 'y' },
    { DEPTH: '2', EMPTY: '', EQUALS: 'a=b' },
  ];
  const made = buildEnvironment({
    ...options,
    variables,
    bundle: 'b',
    own: { NOTIFY_SOCKET: '/n' },
  });
  const wanted = ['PATH=/opt', 'DEPTH=2', 'EMPTY=', 'EQUALS=a=b', 'LOTC_RUN=R1', 'LOTC_BUNDLE=b'];
  expect(made).toEqual(expect.arrayContaining([...wanted, 'NOTIFY_SOCKET=/n']));
  expect(made.filter((one) => /SPOOF|R9|DEPTH=1/.test(one))).toEqual([]);
});

test('an ad-hoc run has no LOTC_TASK', () => {
  const made = buildEnvironment({ ...options, task: null });
  expect(made.some((one) => one.startsWith('LOTC_TASK'))).toBe(false);
});

test('what execve would refuse or cut is refused with its name', () => {
  expect(variableFault('A', 'x'.repeat(131_069))).toBeUndefined();
  expect(variableFault('A', 'x'.repeat(131_070))).toContain('131071 bytes');
  expect(variableFault('', 'x')).toContain('no name');
  expect(variableFault('A=B', 'x')).toContain('no name');
  expect(variableFault('A', 'x\0y')).toContain('NUL');
  expect(() => buildEnvironment({ ...options, variables: [{ A: '\0' }] })).toThrow('NUL');
});
