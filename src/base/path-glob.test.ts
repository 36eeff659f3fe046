import { expect, test } from 'vitest';
import { PathGlobs, pathGlobFault } from './path-glob.ts';

test.each([
  ['out/*', 'out/a', true],
  ['out/*', 'out/.hidden', true],
  ['out/*', 'out/a/b', true],
  ['out/*', 'out', false],
  ['out/*', 'outer/a', false],
  ['out/**', 'out', false],
  ['out/**', 'out/a/b/c', true],
  ['out', 'out', true],
  ['out', 'out/a/b', true],
  ['**/*.csv', 'a.csv', true],
  ['**/*.csv', 'x/y/a.csv', true],
  ['**/*.csv', 'x/y/a.csv.gz', false],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b', 'a/x/y/c', false],
  ['./a//b', 'a/b', true],
  ['**', 'any/thing', true],
  ['a?c', 'abc', true],
  ['a?c', 'a/c', false],
])('%s takes %s: %s', (glob, path, taken) => {
  expect(new PathGlobs([glob]).takes(path)).toBe(taken);
});

test('a walk goes where a glob may still match, and nowhere else', () => {
  const globs = new PathGlobs(['out/x/*.log', 'deep/**/end']);
  expect(['out', 'out/x', 'deep', 'deep/a/b'].every((path) => globs.leadsInto(path))).toBe(true);
  expect(['in', 'out/y', 'deeper'].some((path) => globs.leadsInto(path))).toBe(false);
});

test.each(['', '/etc/passwd', '../x', 'a/../../b', 'a\nb', '.', 'x'.repeat(2_000)])(
  'no glob: %j',
  (glob) => {
    expect(pathGlobFault(glob)).toBeTypeOf('string');
  },
);

test('a glob of many stars costs no more than its length allows', () => {
  const globs = new PathGlobs([`${'**/'.repeat(50)}end`, '*a'.repeat(100)]);
  expect(globs.takes(`${'x/'.repeat(60)}nope`)).toBe(false);
  expect(globs.takes('a'.repeat(250) + 'b')).toBe(false);
});
