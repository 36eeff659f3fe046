import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../base/limits.ts';
import { LogPrinter } from './log-printer.ts';
import { Lines, Output } from './output.ts';
import { progressLine } from './progress.ts';
import { shellWords } from './shell-words.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const text = (out: string | Uint8Array): string =>
  Buffer.from(out as Uint8Array).toString('latin1');
const piece = (node: string, data: string, stream = 'stdout') => {
  return { node, run: `R-${node}`, stream, data: bytes(data) };
};

test('one node, no terminal: bytes as they are', () => {
  const output = new Output({ prefixed: false, shown: () => false });
  expect(text(output.push(piece('n1', 'a\x1b[31m\xff')))).toBe('a\x1b[31m\xff');
});

test('one node on a terminal: control characters are shown', () => {
  const output = new Output({ prefixed: false, shown: () => true });
  expect(output.push(piece('n1', 'a\x1b[31m\xc3'))).toBe('a\\x1b[31m');
  expect(output.end('n1', 'R-n1', 'stdout')).toBe('\\xc3');
});

test('several nodes: whole lines, each with its node', () => {
  const output = new Output({ prefixed: true, shown: () => false });
  expect(text(output.push(piece('n1', 'one\ntw')))).toBe('n1| one\n');
  expect(text(output.push(piece('n2', 'n1| forged\n')))).toBe('n2| n1| forged\n');
  expect(text(output.push(piece('n1', 'o\nthree', 'stdout')))).toBe('n1| two\n');
  expect(text(output.end('n1', 'R-n1', 'stdout'))).toBe('n1| three\n');
  expect(text(output.end('n1', 'R-n1', 'stdout'))).toBe('');
});

test('any way of cutting gives the same lines', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '\n', 'bc')), fc.array(fc.nat(5)), (parts, cuts) => {
      const all = parts.join('');
      const lines = new Lines();
      const found: string[] = [];
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        found.push(...lines.push(bytes(all.slice(at, at + cut))).map(text));
        at += cut;
      }
      const rest = lines.end();
      expect(found.map((line) => `${line}\n`).join('') + (rest ? text(rest) : '')).toBe(all);
    }),
  );
});

test('a line without end is cut at the limit', () => {
  const lines = new Lines();
  const long = 'x'.repeat(limits.logLineBytes * 2 + 5);
  expect(lines.push(bytes(long)).map((line) => line.length)).toEqual([
    ...[limits.logLineBytes, limits.logLineBytes],
  ]);
  expect(lines.end()).toHaveLength(5);
});

async function logs(rules: { json?: boolean; prefixed?: boolean; follow?: boolean }) {
  let written = '';
  const printer = new LogPrinter({
    ...{ json: false, prefixed: true, follow: false, shown: false, ...rules },
    write: (out) => {
      written += text(out);
      return Promise.resolve();
    },
  });
  await printer.push({ ...piece('n1', 'second\n'), at: 2 });
  await printer.push({ ...piece('n2', 'first\n'), at: 1 });
  await printer.push({ ...piece('n1', 'third'), at: 3 });
  await printer.end();
  return written;
}

test('logs of several nodes are merged by time, unless they are followed', async () => {
  expect(await logs({})).toBe('n2| first\nn1| second\nn1| third\n');
  expect(await logs({ follow: true })).toBe('n1| second\nn2| first\nn1| third\n');
});

test('logs as JSON: an array, or an object a line', async () => {
  const array = JSON.parse(await logs({ json: true })) as { text: string; node: string }[];
  expect(array.map((line) => line.text)).toEqual(['second', 'first', 'third']);
  expect(array[0]).toEqual({
    ...{ at: '1970-01-01T00:00:00.000002Z', node: 'n1', task: null, run: 'R-n1' },
    ...{ stream: 'stdout', text: 'second' },
  });
  expect((await logs({ json: true, follow: true })).trim().split('\n')).toHaveLength(3);
});

test('words as a shell cuts them', () => {
  expect(shellWords(`start web --env "A=b c" 'd "e' f\\ g # rest`)).toEqual([
    ...['start', 'web', '--env', 'A=b c', 'd "e', 'f g'],
  ]);
  expect(shellWords(`a""b '' "x\\"y\\z" c#d`)).toEqual(['ab', '', 'x"y\\z', 'c#d']);
  expect(shellWords('  # nothing')).toEqual([]);
  expect(() => shellWords('a "b')).toThrow(/no end/);
  expect(() => shellWords('a \\')).toThrow(/no end/);
});

test('a progress bar', () => {
  expect(progressLine('send', 512, 1024)).toBe(
    `send [${'#'.repeat(15)}${'.'.repeat(15)}]  50% of 1.0KiB`,
  );
  expect(progressLine('send', 0, 0)).toContain('100%');
});
