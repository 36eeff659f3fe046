import { expect, test } from 'vitest';
import { launchFault } from './reason.ts';

test.each([
  ['exec', 2, 'cannot run ./x: no such file or directory (ENOENT)', 'exec-failed'],
  ['interpreter', 2, 'cannot run ./x: its interpreter is missing (ENOENT)', 'exec-failed'],
  ['exec', 13, 'cannot run ./x: not executable, or not readable (EACCES)', 'exec-failed'],
  ['exec', 8, 'cannot run ./x: not a program this kernel can run (ENOEXEC)', 'exec-failed'],
  [
    'cwd',
    20,
    'cannot enter the directory /d: a part of the path is no directory (ENOTDIR)',
    'exec-failed',
  ],
  ['stdout', 28, 'cannot start ./x: stdout: no space is left on the disk (ENOSPC)', 'disk-full'],
  ['fork', 11, 'cannot start ./x: fork: no more processes are allowed (EAGAIN)', 'exec-failed'],
  ['exec', 999, 'cannot run ./x: error 999', 'exec-failed'],
] as const)('%s, errno %i: %s', (step, errno, text, code) => {
  expect(launchFault({ step, errno, program: './x', cwd: '/d' })).toEqual({ text, code });
});
