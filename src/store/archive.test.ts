import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { ArchiveJudge, byBytes, type EntryHeader } from './archive.ts';

function header(path: string, more: Partial<EntryHeader> = {}): EntryHeader {
  const plain: EntryHeader = { path, kind: 'file', executable: false, size: 1, target: '' };
  return {
    ...plain,
    ...(more.kind === undefined || more.kind === 'file' ? {} : { size: 0 }),
    ...more,
  };
}

const file = (path: string) => header(path);
const directory = (path: string) => header(path, { kind: 'directory' });
const link = (path: string, target: string) => header(path, { kind: 'symlink', target });

function judge(...headers: EntryHeader[]) {
  const judging = new ArchiveJudge('a.tar');
  for (const one of headers) judging.add(one);
  return judging.finish();
}

test('entries come in canonical order, with directories only their content told of', () => {
  const verdict = judge(file('./b/c/d'), file('b.txt'), file('b//a'), directory('./'), file('a'));
  expect(verdict.entries.map(({ path, kind, source }) => [path, kind, source])).toEqual([
    ['a', 'file', 4],
    ['b', 'directory', -1],
    ['b/a', 'file', 2],
    ['b/c', 'directory', -1],
    ['b/c/d', 'file', 0],
    ['b.txt', 'file', 1],
  ]);
  expect(verdict.contentBytes).toBe(4);
});

const refused: [reason: RegExp, ...headers: EntryHeader[]][] = [
  [/"\.\.\/x" leads out of the bundle/, file('../x')],
  [/"a\/\.\.\/b" leads out/, file('a/../b')],
  [/"\/etc\/passwd" is an absolute path/, file('/etc/passwd')],
  [/has no name/, file('')],
  [/names the root, and is a file/, file('./')],
  [/names the root, and is a symlink/, link('.', 'a')],
  [/"a\\nb" has a control character/, file('a\nb')],
  [/"\\x1b\[2J" has a control character/, file('\x1b[2J')],
  [/"a\\x00b" has a control character/, file('a\0b')],
  [/has a control character/, file('a\x85')],
  [/"a" is a hard link/, header('a', { kind: 'hard link' })],
  [/"a" is a device/, header('a', { kind: 'device' })],
  [/"a" is a fifo/, header('a', { kind: 'fifo' })],
  [/"a" is a socket/, header('a', { kind: 'socket' })],
  [/"a" is a sparse file/, header('a', { kind: 'sparse file' })],
  [/"a" is of an unknown type/, header('a', { kind: 'unknown' })],
  [/"a" appears twice$/, file('a'), file('a')],
  [/"a" appears twice$/, directory('a'), directory('a/')],
  [/"a" appears twice, as a directory and as a file/, file('a/b'), file('a')],
  [/"a" appears twice, as a directory and as a symlink/, file('a/b'), link('a', 'b')],
  [/"a\/b" lies inside "a", no directory/, file('a'), file('a/b')],
  [/"a\/b" lies inside "a", no directory/, directory('c'), link('a', 'c'), file('a/b')],
  [/has a twin/, file('caf\u00e9'), file('cafe\u0301')],
  [/has a twin/, file('caf\u00e9/x'), file('cafe\u0301/y')],
  [/"a" is a directory with content/, header('a', { kind: 'directory', size: 3 })],
  [/"a" is a symlink with content/, header('a', { kind: 'symlink', size: 3, target: 'b' })],
  [/"a" is a link to nothing/, link('a', '')],
  [/"a" is a link to the absolute path "\/etc"/, link('a', '/etc')],
  [/"a" is a link with a control character/, link('a', 'b\x1b')],
  [/"a" is a link out of the bundle, to "\.\."/, file('x'), link('a', '..')],
  [/"d\/a" is a link out of the bundle/, file('x'), link('d/a', '../../x')],
  [/"a" is a link .* in a circle/, file('x'), link('a', 'b'), link('b', 'a')],
  [/"a" is a link .* in a circle/, file('x'), link('a', 'a')],
  // Each link alone looks harmless; together they climb out.
  [
    /"m" is a link out of the bundle/,
    file('d/e/f'),
    link('d/e/up', '../..'),
    link('m', 'd/e/up/..'),
  ],
  [
    /"m" is a link out/,
    file('a/b/c'),
    link('l', 'a'),
    link('a/b/k', '../../l'),
    link('m', 'a/b/k/../..'),
  ],
  [/ is empty: there is no file in it/, directory('a')],
  [/a.tar is empty$/, header('a', { size: 0 })],
  [/ is empty: all its files are/, header('a', { size: 0 }), header('b', { size: 0 })],
  [/is deeper than 64/, file(Array.from({ length: 65 }, () => 'd').join('/'))],
  [/more than 255 bytes/, file('é'.repeat(128))],
  [
    /path of more than 1024 bytes/,
    file(Array.from({ length: 6 }, () => 'x'.repeat(200)).join('/')),
  ],
];

test.each(refused)('%s', (reason, ...headers) => {
  const judging = () => judge(file('good'), ...headers);
  const alone = () => judge(...headers);
  // An archive is refused whole, for the same reason, whatever good entries it has.
  const act = / is empty/.test(reason.source) ? alone : judging;
  expect(act).toThrow(reason);
  expect(act).toThrow(expect.objectContaining({ code: 'bad-archive' }));
});

test('links inside are kept, also dangling ones, through others and to directories', () => {
  const links = [link('l', 'd/e'), link('d/up', '..'), link('m', 'l/../f'), link('n', 'not/there')];
  const { entries } = judge(file('d/e/x'), file('d/f'), ...links, link('self', '.'));
  expect(entries.filter(({ kind }) => kind === 'symlink')).toHaveLength(5);
});

test('a chain of links is followed as far as a kernel would, in whatever order it comes', () => {
  const chain = (length: number) =>
    Array.from({ length }, (_, i) => link(`l${i}`, i === 0 ? 'x' : `l${i - 1}`));
  expect(judge(file('x'), ...chain(limits.archiveLinkHops)).entries).toHaveLength(41);
  const tooLong = chain(limits.archiveLinkHops + 1);
  expect(() => judge(file('x'), ...tooLong)).toThrow(/more than 40 links/);
  expect(() => judge(file('x'), ...tooLong.toReversed())).toThrow(/more than 40 links/);
});

test('bounds on entries and bytes are judged header by header', () => {
  const few = new ArchiveJudge('a.tar', { entries: 2 });
  few.add(file('a/b'));
  expect(() => few.add(file('c'))).toThrow(expect.objectContaining({ code: 'too-large' }));
  const small = new ArchiveJudge('a.tar', { contentBytes: 10 });
  small.add(header('a', { size: 10 }));
  expect(() => small.add(file('b'))).toThrow(/a.tar holds more than 10 bytes/);
});

test('names that differ by case only are a warning; only a file can be executable', () => {
  const script = header('Run', { executable: true });
  const odd = header('d', { kind: 'directory', executable: true });
  const { warnings, entries } = judge(script, file('run'), odd);
  expect(warnings).toEqual(['"Run" and "run" differ by case only']);
  expect(entries.map(({ executable }) => executable)).toEqual([true, false, false]);
});

test('names are ordered by their UTF-8 bytes', () => {
  const units = ['a', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
  const text = fc.array(fc.constantFrom(...units)).map((all) => all.join(''));
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(byBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  expect(byBytes('\u{10000}', '\uffff')).toBeGreaterThan(0);
});
