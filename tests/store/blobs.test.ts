import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { type BlobStore, openBlobs } from '../../src/store/blobs.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { mountMemory } from './mounted.ts';

let directory = '';
let blobs: BlobStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-blobs-'));
  blobs = openBlobs(directory);
});
afterEach(async () => {
  await blobs[Symbol.asyncDispose]();
  removeTree(directory);
});

function content(bytes: number, seed = 1): Buffer {
  const random = new Prng(seed);
  return Buffer.from(Uint32Array.from({ length: bytes >> 2 }, () => random.uint32()).buffer);
}
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const inPartial = (): string[] => readdirSync(join(directory, 'partial'));

/** Each part is copied: it is good until the next one is asked for. */
async function whole(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  for await (const part of parts) copies.push(part.slice());
  return Buffer.concat(copies);
}

async function push(bytes: Buffer, upTo = bytes.length, chunkBytes = 16_320): Promise<void> {
  const upload = await blobs.open(digestOf(bytes), bytes.length);
  for (let at = upload.have; at < upTo; ) {
    const chunk = bytes.subarray(at, Math.min(upTo, at + chunkBytes));
    await upload.write(at, chunk);
    at += chunk.length;
  }
  if (upTo === bytes.length) await upload.finish();
  else await upload.abandon();
}

test.each([0, 4, 16_320, 262_144, 1_000_000])(
  'a blob of %i bytes comes back as it went',
  async (n) => {
    const bytes = content(n);
    const digest = digestOf(bytes);
    expect(await blobs.has(digest)).toBe(false);
    await push(bytes);
    expect(await blobs.has(digest)).toBe(true);
    expect(await blobs.list()).toEqual([{ digest, bytes: bytes.length }]);
    expect(inPartial()).toEqual([]);
    expect((await whole(blobs.stream(digest))).equals(bytes)).toBe(true);
    expect((await whole(blobs.stream(digest, 2))).equals(bytes.subarray(2))).toBe(true);
    await blobs.remove(digest);
    expect(await blobs.list()).toEqual([]);
    await expect(whole(blobs.stream(digest))).rejects.toMatchObject({ code: 'no-such-bundle' });
  },
);

test('an upload that was cut off goes on where it ended, also in another process', async () => {
  const bytes = content(900_000);
  await push(bytes, 500_000);
  blobs = openBlobs(directory);
  const upload = await blobs.open(digestOf(bytes), bytes.length);
  expect(upload.have).toBe(500_000);
  await upload.write(500_000, bytes.subarray(500_000));
  await upload.finish();
  expect(await blobs.has(digestOf(bytes))).toBe(true);
  const again = await blobs.open(digestOf(bytes), bytes.length);
  expect(again.have).toBe(bytes.length);
  await again.finish();
});

test('content that is not what its name says is refused and removed', async () => {
  const digest = digestOf(content(40_000));
  const upload = await blobs.open(digest, 40_000);
  await upload.write(0, content(40_000, 2));
  await expect(upload.finish()).rejects.toMatchObject({ code: 'bad-archive' });
  expect(await blobs.has(digest)).toBe(false);
  expect(inPartial()).toEqual([]);
});

test('a blob is read while it arrives, to its verified end, by each reader at its own pace', async () => {
  const bytes = content(3_000_000);
  const digest = digestOf(bytes);
  await push(bytes, 1_000_000);
  const upload = await blobs.open(digest, bytes.length);
  expect(blobs.arriving(digest)).toBe(bytes.length);
  const read = async (offset: number): Promise<Buffer> => {
    const found = await whole(blobs.follow(digest, offset));
    expect(await blobs.has(digest)).toBe(true);
    return found;
  };
  const readers = [read(0), read(2_345_678), read(bytes.length)];
  for (let at = upload.have; at < bytes.length; at += 16_320) {
    await upload.write(at, bytes.subarray(at, at + 16_320));
  }
  await upload.finish();
  const [all, rest, none] = await Promise.all(readers);
  expect(all?.equals(bytes)).toBe(true);
  expect(rest?.equals(bytes.subarray(2_345_678))).toBe(true);
  expect(none).toHaveLength(0);
  expect(blobs.arriving(digest)).toBeUndefined();
  expect((await read(2_999_990)).equals(bytes.subarray(2_999_990))).toBe(true);
});

test('a slab is not written over while somebody reads it, however far the upload goes on', async () => {
  const bytes = content(6_000_000);
  const digest = digestOf(bytes);
  const upload = await blobs.open(digest, bytes.length);
  const slow = blobs.follow(digest, 0);
  let at = 0;
  const write = async (upTo: number): Promise<void> => {
    for (; at < upTo; at = upload.have) await upload.write(at, bytes.subarray(at, at + 16_320));
  };
  await write(1_000_000);
  const held = (await slow.next()).value as Uint8Array;
  const quick = whole(blobs.follow(digest, 0));
  await write(bytes.length);
  await upload.finish();
  expect(held.length).toBeGreaterThan(0);
  expect(Buffer.compare(held, bytes.subarray(0, held.length))).toBe(0);
  const rest = await whole(slow);
  expect(rest.equals(bytes.subarray(held.length))).toBe(true);
  expect((await quick).equals(bytes)).toBe(true);
});

test.each(['cut off', 'damaged'])('readers of an upload that is %s are told', async (how) => {
  const bytes = content(600_000);
  const digest = how === 'damaged' ? 'f'.repeat(64) : digestOf(bytes);
  const upload = await blobs.open(digest, bytes.length);
  const read = async (): Promise<void> => {
    for await (const part of blobs.follow(digest, 0)) expect(part.length).toBeGreaterThan(0);
  };
  const reading = read().catch((error: unknown) => error);
  await upload.write(0, bytes.subarray(0, how === 'damaged' ? bytes.length : 300_000));
  if (how === 'damaged')
    await expect(upload.finish()).rejects.toMatchObject({ code: 'bad-archive' });
  else await upload.abandon();
  expect(await reading).toMatchObject({ code: 'no-such-bundle' });
});

test('what a crash spoiled of a partial upload is found out at its end', async () => {
  const bytes = content(600_000);
  await push(bytes, 400_000);
  writeFileSync(join(directory, 'partial', digestOf(bytes)), new Uint8Array(300_000));
  await expect(push(bytes)).rejects.toMatchObject({ code: 'bad-archive' });
  await push(bytes);
  expect(await blobs.has(digestOf(bytes))).toBe(true);
});

test('bytes out of their order, beyond the end or missing are refused', async () => {
  const bytes = content(40_000);
  const upload = await blobs.open(digestOf(bytes), bytes.length);
  await upload.write(0, bytes.subarray(0, 10_000));
  await expect(upload.write(9_999, bytes.subarray(0, 1))).rejects.toMatchObject({ code: 'failed' });
  await expect(upload.write(20_000, bytes.subarray(0, 1))).rejects.toMatchObject({
    code: 'failed',
  });
  await expect(upload.write(10_000, content(40_000))).rejects.toMatchObject({ code: 'failed' });
  await expect(blobs.open(digestOf(bytes), bytes.length)).rejects.toMatchObject({ code: 'busy' });
  await expect(upload.finish()).rejects.toMatchObject({ code: 'failed' });
  const again = await blobs.open(digestOf(bytes), bytes.length);
  expect(again.have).toBe(10_000);
  await again.abandon();
  await again.abandon();
  await expect(again.finish()).rejects.toThrow(/abandoned/);
});

test('a name that is no digest never becomes a path', async () => {
  const names = ['../../etc/passwd', '', 'A'.repeat(64), '0'.repeat(63)];
  for (const name of names) {
    await expect(whole(blobs.stream(name))).rejects.toMatchObject({ code: 'no-such-bundle' });
    await expect(blobs.open(name, 1)).rejects.toMatchObject({ code: 'no-such-bundle' });
  }
});

test('partial uploads go when they are old, unless they are under way', async () => {
  const [old, young, living] = [content(100_000, 1), content(100_000, 2), content(100_000, 3)];
  await push(old, 50_000);
  await push(young, 50_000);
  const upload = await blobs.open(digestOf(living), living.length);
  for (const each of [old, living]) {
    utimesSync(join(directory, 'partial', digestOf(each)), new Date(1_000), new Date(1_000));
  }
  expect(await blobs.removeStale(1_000_000)).toBe(1);
  expect(inPartial().sort()).toEqual([digestOf(young), digestOf(living)].sort());
  await upload.abandon();
});

test('a full disk is named, and the upload goes on when there is space again', async () => {
  using disk = mountMemory(4);
  const own = openBlobs(join(disk.path, 'blobs'));
  const filler = join(disk.path, 'filler');
  writeFileSync(filler, new Uint8Array(3 << 20));
  const bytes = content(2 << 20);
  const digest = digestOf(bytes);
  const send = async (): Promise<void> => {
    const upload = await own.open(digest, bytes.length);
    try {
      await upload.write(upload.have, bytes.subarray(upload.have));
      await upload.finish();
    } finally {
      await upload.abandon();
    }
  };
  await expect(send()).rejects.toMatchObject({ code: 'disk-full' });
  expect(await own.has(digest)).toBe(false);
  rmSync(filler);
  await send();
  expect(await own.has(digest)).toBe(true);
  await own[Symbol.asyncDispose]();
});

test('a blob whose reader stopped early can be removed', async () => {
  const bytes = content(1_000_000);
  const digest = digestOf(bytes);
  await push(bytes);
  const stream = blobs.stream(digest);
  const first = (await stream.next()).value as Uint8Array;
  expect(first.length).toBeGreaterThan(0);
  await stream.return(undefined);
  await blobs.remove(digest);
  expect(existsSync(blobs.path(digest))).toBe(false);
});

test('many uploads at once', async () => {
  const all = Array.from({ length: 20 }, (_, index) => content(300_000, index + 10));
  await Promise.all(all.map((bytes) => push(bytes)));
  expect(await blobs.list()).toHaveLength(20);
});
