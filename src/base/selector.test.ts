import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError } from './errors.ts';
import { hasOnlyNames, labelFault, matches, namesIn, parseSelector } from './selector.ts';

const nodes = [
  { name: 'n1', labels: { zone: 'a' } },
  { name: 'n01', labels: { zone: 'a', rack: '1' } },
  { name: 'n02', labels: { zone: 'b' } },
  { name: 'web-1', labels: {} },
  { name: 'web.1', labels: { zone: 'c' } },
];
const select = (text: string): string[] =>
  nodes.filter((node) => matches(parseSelector(text), node)).map((node) => node.name);

test.each([
  ['@all', ['n1', 'n01', 'n02', 'web-1', 'web.1']],
  ['n1', ['n1']],
  ['n1, web-1', ['n1', 'web-1']],
  ['web-*', ['web-1']],
  ['web?1', ['web-1', 'web.1']],
  ['web.*', ['web.1']],
  ['*1', ['n1', 'n01', 'web-1', 'web.1']],
  ['**', ['n1', 'n01', 'n02', 'web-1', 'web.1']],
  ['n?', ['n1']],
  ['w*b*1*', ['web-1', 'web.1']],
  ['n[01-02]*', ['n01', 'n02']],
  ['n[01-20]', ['n01', 'n02']],
  ['n[1-20]', ['n1']],
  ['n[1,02]', ['n1', 'n02']],
  ['zone=a', ['n1', 'n01']],
  ['zone=a,rack=1', ['n01']],
  ['zone!=a', ['n02', 'web-1', 'web.1']],
  ['zone in (a,b)', ['n1', 'n01', 'n02']],
  ['zone in (a, b),n*', ['n1', 'n01', 'n02']],
  ['zone not in (a,b)', ['web-1', 'web.1']],
  ['n*,web-1,zone=a', ['n1', 'n01']],
  ['@all,zone=b', ['n02']],
  ['zone=', []],
  ['constructor=x', []],
])('%s selects %j', (text, names) => {
  expect(select(text)).toEqual(names);
});

test.each([
  ...['', ',', 'n1,', 'N1', 'a b', 'n[1', 'n1]', 'n[]', 'n[a-b]', 'n[3-1]', 'n[01-100]'],
  ...['zone in a', 'zone in (a', 'zone=a=b', '=a', '!=a', 'a..b', 'x!', '@some', 'n[[1]]'],
  ...['n[0-999999]', 'n[1-1000][1-1000]', 'zone in (a))', 'Z*', 'zone==a'],
])('%j is a usage error', (text) => {
  expect(() => parseSelector(text)).toThrow(LotcError);
});

test('only plain names have to exist', () => {
  expect(namesIn(parseSelector('n1,web-*,n[5-6],zone=a,n9'))).toEqual(['n1', 'n9']);
  expect(hasOnlyNames(parseSelector('n1,n9'))).toBe(true);
  for (const text of ['n1,zone=a', 'n*', 'n[1-2]', '@all']) {
    expect(hasOnlyNames(parseSelector(text))).toBe(false);
  }
});

test('labels that a selector could not name are refused', () => {
  expect(labelFault('zone', 'a')).toBeUndefined();
  expect(labelFault('zone', '')).toBeUndefined();
  expect(labelFault('', 'a')).toBeDefined();
  expect(labelFault('zo ne', 'a')).toBeDefined();
  expect(labelFault('zone', 'a,b')).toBeDefined();
});

test('a list of too many is told as that', () => {
  expect(() => parseSelector('n[1-99999999]')).toThrow('"n[1-99999999]" names too many');
  expect(() => parseSelector('n[9-1]')).toThrow('"9-1" in "n[9-1]" is no range of numbers');
});

test('any text gives a selector or a usage error, quickly', () => {
  const pieces = fc.constantFrom(...'n1*?[]()-,=! @alinzoe09.'.split(''));
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), (chars) => {
      try {
        matches(parseSelector(chars.join('')), { name: 'n1', labels: {} });
      } catch (error) {
        expect(error).toBeInstanceOf(LotcError);
      }
    }),
  );
});

test('a glob of many stars costs little', () => {
  const selector = parseSelector(`${'a*'.repeat(30)}b`);
  expect(matches(selector, { name: 'a'.repeat(63), labels: {} })).toBe(false);
});
