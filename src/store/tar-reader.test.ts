import { expect, test } from 'vitest';
import { rawEntry, rawTar } from '../../tests/store/raw-tar.ts';
import { TarReader } from './tar-reader.ts';

function read(...entries: Uint8Array[]) {
  const reader = new TarReader('a.tar');
  const headers = reader
    .push(rawTar(...entries))
    .flatMap((event) => (event.kind === 'entry' ? [event.header] : []));
  reader.finish();
  return headers;
}

test('old and new ways to write a name are understood', () => {
  const long = `${'d'.repeat(99)}/${'f'.repeat(120)}`;
  const paths = read(
    rawEntry({ name: 'v7', magic: '' }),
    rawEntry({ name: 'v7dir/', magic: '', type: '\0' }),
    rawEntry({ name: 'x', prefix: 'posix/prefix' }),
    rawEntry({ name: 'gnu', magic: 'ustar  \0', prefix: 'no prefix' }),
    rawEntry({ name: '././@LongLink', type: 'L', body: `${long}\0` }),
    rawEntry({ name: long.slice(0, 100) }),
    rawEntry({ name: 'pax', type: 'x', body: '30 mtime=1700000000.123456789\n16 path=paxed/x\n' }),
    rawEntry({ name: 'truncated' }),
    rawEntry({ name: 'after' }),
  ).map(({ path, kind }) => `${kind} ${path}`);
  expect(paths).toEqual([
    'file v7',
    'directory v7dir/',
    'file posix/prefix/x',
    'file gnu',
    `file ${long}`,
    'file paxed/x',
    'file after',
  ]);
});

test('targets, modes and kinds are told; sizes may be in base 256', () => {
  const headers = read(
    rawEntry({ name: 'k', type: 'K', body: 'long/target\0' }),
    rawEntry({ name: 'l', type: '2', link: 'short' }),
    rawEntry({ name: 'h', type: '1', link: 'l' }),
    rawEntry({ name: 's', mode: 0o4755, body: 'abc', base256: true }),
    rawEntry({ name: 'p', type: 'x', body: '22 GNU.sparse.major=1\n' }),
    rawEntry({ name: 'GNUSparseFile.0/x' }),
    rawEntry({ name: 'g', type: 'g', body: '13 comment=x\n' }),
    rawEntry({ name: 'u', type: 'Z' }),
  );
  expect(
    headers.map(({ kind, target, executable, size }) => [kind, target, executable, size]),
  ).toEqual([
    ['symlink', 'long/target', false, 0],
    ['hard link', '', false, 0],
    ['file', '', true, 3],
    ['sparse file', '', false, 0],
    ['unknown', '', false, 0],
  ]);
});

test.each<[RegExp, ...Uint8Array[]]>([
  [/name that is not UTF-8: "a\\xff"/, rawEntry({ name: Buffer.from([0x61, 0xff]) })],
  [/broken pax header/, rawEntry({ name: 'x', type: 'x', body: '99 path=x\n' })],
  [/broken pax header/, rawEntry({ name: 'x', type: 'x', body: '10 path=xx' })],
  [/broken pax header/, rawEntry({ name: 'x', type: 'x', body: 'path=x\n' })],
  [/broken size/, rawEntry({ name: 'x', type: 'x', body: '11 size=-1\n' })],
  [/one path to all its entries/, rawEntry({ name: 'x', type: 'g', body: '10 path=x\n' })],
  [/header that is too long/, rawEntry({ name: 'x', type: 'L', size: 300_000 })],
  [/ends inside an entry/, rawEntry({ name: 'x', type: 'L', body: 'name\0' })],
  [/more bytes after its end/, rawEntry({ name: 'x' }), Buffer.alloc(512), rawEntry({ name: 'y' })],
  [/is no tar archive/, Buffer.alloc(512, 'a')],
  [/header that is damaged/, rawEntry({ name: 'x' }), Buffer.alloc(512, 'a')],
])('%s', (reason, ...entries) => {
  expect(() => read(...entries)).toThrow(reason);
  expect(() => read(...entries)).toThrow(expect.objectContaining({ code: 'bad-archive' }));
});

test('U+FEFF at the head of a name is part of it', () => {
  expect(read(rawEntry({ name: '\ufeffa' }))[0]?.path).toBe('\ufeffa');
});
