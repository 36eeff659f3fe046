import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import { type ArchiveEntry, ArchiveJudge, type EntryHeader } from './archive.ts';
import { TarLayout } from './tar-layout.ts';
import { type TarEvent, TarReader } from './tar-reader.ts';

/** Content of an entry is its path, over and over. */
function content(entry: ArchiveEntry): Buffer {
  return Buffer.alloc(entry.size, entry.path);
}

/** The whole archive, asked for in pieces of `stride`. */
function build(layout: TarLayout, stride: number): Buffer {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < layout.sizeBytes; ) {
    const segment = layout.at(at, stride);
    const bytes =
      segment.kind === 'bytes'
        ? segment.bytes
        : content(segment.entry).subarray(segment.offset, segment.offset + segment.length);
    pieces.push(bytes);
    at += bytes.length;
  }
  return Buffer.concat(pieces);
}

function headerOf({ path, kind, executable, size, target }: ArchiveEntry): EntryHeader {
  return { path, kind, executable, size, target };
}

/** What a reader makes of it, in chunks; data of one entry joined. */
function parse(archive: Uint8Array, stride: number) {
  const reader = new TarReader('a.tar');
  const found: { header: EntryHeader; data: Uint8Array[]; ended: boolean }[] = [];
  const take = (event: TarEvent) => {
    if (event.kind === 'entry') found.push({ header: event.header, data: [], ended: false });
    const last = found.at(-1);
    if (event.kind === 'data') last?.data.push(event.bytes);
    if (event.kind === 'end' && last !== undefined) last.ended = true;
  };
  for (let at = 0; at < archive.length; at += stride) {
    for (const event of reader.push(archive.subarray(at, at + stride))) take(event);
  }
  reader.finish();
  return found.map(({ header, data, ended }) => ({ header, data: Buffer.concat(data), ended }));
}

function judged(headers: readonly EntryHeader[]): readonly ArchiveEntry[] {
  const judge = new ArchiveJudge('a.tar');
  for (const header of headers) judge.add(header);
  return judge.finish().entries;
}

const fixed: EntryHeader[] = [
  { path: 'crawl', kind: 'file', executable: true, size: 1000, target: '' },
  { path: 'lib', kind: 'directory', executable: false, size: 0, target: '' },
  { path: `lib/${'ü'.repeat(60)}`, kind: 'file', executable: false, size: 512, target: '' },
  {
    path: 'lib/latest',
    kind: 'symlink',
    executable: false,
    size: 0,
    target: `${'x/'.repeat(60)}y`,
  },
  { path: 'empty', kind: 'file', executable: false, size: 0, target: '' },
];

test('the canonical bytes never change: this digest names bundles on disks out there', () => {
  const archive = build(new TarLayout(judged(fixed)), 4096);
  const digest = createHash('sha256').update(archive).digest('hex');
  expect(digest).toBe('fd2e781cfdb3ed53862af28a1d7922bcad1af5d1b04b3489b1398a194d5fa672');
});

test('every way to ask for the layout and every way to cut the stream gives the same', () => {
  const layout = new TarLayout(judged(fixed));
  const whole = build(layout, layout.sizeBytes);
  for (const stride of [1, 7, 511, 512, 513, 1500]) {
    expect(build(layout, stride).equals(whole)).toBe(true);
    const found = parse(whole, stride);
    expect(found.map(({ header }) => header)).toEqual(layout.entries.map(headerOf));
    expect(found.every(({ ended }) => ended)).toBe(true);
    found.forEach(({ data }, i) =>
      expect(data).toEqual(content(layout.entries[i] as ArchiveEntry)),
    );
  }
});

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => !/[\p{Cc}/]/u.test(text) && text !== '.' && text !== '..');
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join('/'));

test('decode after encode is identity for any paths', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(path, fc.nat(1300), fc.boolean())), (files) => {
      const entries: ArchiveEntry[] = files.map(([at, size, executable], source) => {
        return { path: at, kind: 'file', executable, size, target: '', source };
      });
      const layout = new TarLayout(entries);
      const found = parse(build(layout, 700), 900);
      expect(found.map(({ header }) => header)).toEqual(entries.map(headerOf));
    }),
  );
});

test('random bytes and random damage end in an archive or in bad-archive, nothing else', () => {
  const archive = build(new TarLayout(judged(fixed)), 4096);
  const attempt = (bytes: Uint8Array) => {
    try {
      parse(bytes, 1000);
    } catch (error) {
      expect(error).toBeInstanceOf(LotcError);
      expect((error as LotcError).code).toBe('bad-archive');
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), attempt));
  fc.assert(
    fc.property(fc.nat(archive.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(archive);
      damaged[at] = byte;
      attempt(damaged);
    }),
  );
  for (let cut = 0; cut < archive.length - 1024; cut += 97) {
    expect(() => parse(archive.subarray(0, cut), 512)).toThrow(/cut off|no tar/);
  }
});
