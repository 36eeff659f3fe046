import { expect, test } from 'vitest';
import { judgePlace } from './place.ts';

const known = { instance: 'i', machine: 'm', inode: '7', path: '/a' };

test.each([
  ['the first start', undefined, known, undefined, 'new'],
  ['a reboot', known, known, '7', 'same'],
  ['mv', known, { ...known, path: '/b' }, undefined, 'moved'],
  ['a restored container', known, { ...known, inode: '9' }, '9', 'moved'],
  ['the volume in a new container', known, { ...known, machine: 'n' }, '7', 'moved'],
  ['cp to another machine', known, { machine: 'n', inode: '9', path: '/a' }, '9', 'copied'],
  ['cp beside the original', known, { ...known, inode: '9', path: '/b' }, '7', 'copied'],
  ['cp, and the original removed', known, { ...known, inode: '9', path: '/b' }, undefined, 'moved'],
] as const)('%s', (_, file, here, original, verdict) => {
  expect(judgePlace(file, here, original)).toBe(verdict);
});
