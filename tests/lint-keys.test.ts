/** What `make check` need not ask the linter again about. */
import { expect, test } from 'vitest';
import { keysOf } from '../scripts/lint.ts';

const files = (leaf: string) =>
  new Map([
    ['src/top.ts', "import { one } from './middle.ts';"],
    ['src/middle.ts', "export {\n  one,\n} from './deep/leaf.ts';"],
    ['src/deep/leaf.ts', leaf],
    ['src/lazy.ts', "const load = () => import('./middle.ts');"],
    ['src/beside.ts', 'export const beside = 1;'],
    ['src/round.ts', "import type { Back } from './back.ts';"],
    ['src/back.ts', "import './round.ts'; import './middle.ts';"],
  ]);

test('a file that changes is asked about again with all that reaches it, and nothing else', () => {
  const before = keysOf(files('export const one = 1;'), 'settings');
  const after = keysOf(files("export const one = '1';"), 'settings');
  const changed = [...after].filter(([name, key]) => before.get(name) !== key);
  expect(changed.map(([name]) => name)).toEqual([
    ...['src/top.ts', 'src/middle.ts', 'src/deep/leaf.ts', 'src/lazy.ts'],
    ...['src/round.ts', 'src/back.ts'],
  ]);
});

test('other settings ask about every file', () => {
  const before = keysOf(files(''), 'settings');
  const after = keysOf(files(''), 'others');
  expect([...after].filter(([name, key]) => before.get(name) === key)).toEqual([]);
});

test('a file that is gone asks about those that imported it', () => {
  const all = files('');
  const before = keysOf(all, 'settings');
  all.delete('src/deep/leaf.ts');
  const after = keysOf(all, 'settings');
  expect(after.get('src/middle.ts')).not.toBe(before.get('src/middle.ts'));
  expect(after.get('src/beside.ts')).toBe(before.get('src/beside.ts'));
});
