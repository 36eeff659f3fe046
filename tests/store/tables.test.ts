import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTables } from '../../src/store/tables.io.ts';
import type { TableStore } from '../../src/store/tables.ts';
import { removeTree } from '../fixtures/remove.ts';
import { mountMemory } from './mounted.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-tables-'));
});
afterEach(() => {
  removeTree(directory);
});

const open = (): Promise<TableStore> =>
  openTables(join(directory, 'agent.db'), { reserveBytes: 0 });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (table: string, key: string, text: string) => ({ table, key, value: bytes(text) });

async function all(store: TableStore, table: string): Promise<[string, string][]> {
  const entries = await store.load(table);
  return entries.map(([key, value]) => [key, Buffer.from(value).toString()]);
}

test('what was committed is there again, table by table, in the order of the keys', async () => {
  const store = await open();
  await store.commit([put('a', 'é', '4'), put('a', 'z', '3'), put('b', 'k', 'other')]);
  await store.commit([put('a', 'B', '1'), put('a', 'a', '2'), put('a', 'gone', 'x')]);
  await store.commit([put('a', 'z', 'three'), { table: 'a', key: 'gone', value: undefined }]);
  const expected = [
    ['B', '1'],
    ['a', '2'],
    ['z', 'three'],
    ['é', '4'],
  ];
  expect(await all(store, 'a')).toEqual(expected);
  await store[Symbol.asyncDispose]();
  await using again = await open();
  expect(await all(again, 'a')).toEqual(expected);
  expect(await all(again, 'b')).toEqual([['k', 'other']]);
  expect(await all(again, 'none')).toEqual([]);
  expect(statSync(join(directory, 'agent.db')).mode & 0o777).toBe(0o600);
});

test('a table of many pages loads whole', async () => {
  await using store = await open();
  const keys = Array.from({ length: 2_500 }, (_, index) => `k${String(index).padStart(5, '0')}`);
  await store.commit(keys.map((key) => put('t', key, 'x'.repeat(700))));
  expect((await store.load('t')).map(([key]) => key)).toEqual(keys);
  expect(await store.size()).toBeGreaterThan(2_500 * 700);
});

test('commits of one key are kept in the order of the calls', async () => {
  await using store = await open();
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 500 }, async (_, index) => {
      await store.commit([put('t', 'k', String(index))]);
      order.push(index);
    }),
  );
  expect(order).toEqual(Array.from({ length: 500 }, (_, index) => index));
  expect(await all(store, 't')).toEqual([['k', '499']]);
});

test('a value is what it was when it was committed', async () => {
  await using store = await open();
  const value = bytes('before');
  const committed = store.commit([{ table: 't', key: 'k', value }]);
  value.fill(0);
  await committed;
  expect(await all(store, 't')).toEqual([['k', 'before']]);
});

test('a close commits what was asked before it, and refuses what comes after', async () => {
  const store = await open();
  const last = store.commit([put('t', 'k', 'last')]);
  await store[Symbol.asyncDispose]();
  await last;
  await expect(store.commit([put('t', 'k', 'late')])).rejects.toThrow(/closed/);
  await using again = await open();
  expect(await all(again, 't')).toEqual([['k', 'last']]);
});

test('a commit that fails for any other reason ends the store', async () => {
  const fatal: Error[] = [];
  const path = join(directory, 'agent.db');
  const store = await openTables(path, { reserveBytes: 0, onFatal: (error) => fatal.push(error) });
  closeSync(descriptorOf(path));
  await expect(store.commit([put('t', 'k', '1')])).rejects.toMatchObject({ code: 'io' });
  await expect(store.commit([put('t', 'k', '2')])).rejects.toMatchObject({ code: 'io' });
  expect(fatal).toHaveLength(1);
  await store[Symbol.asyncDispose]();
});

function descriptorOf(path: string): number {
  const found = readdirSync('/proc/self/fd').find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
  return Number(found);
}

test('a log that grew is written anew, and holds what it held', async () => {
  const store = await open();
  const round = (n: number) =>
    store.commit([put('t', `k${n % 50}`, `${n}${'x'.repeat(3_000)}`), put('u', 'last', String(n))]);
  for (let n = 0; n < 1_500; n += 1) await round(n);
  expect(await store.size()).toBeLessThan(2 << 20);
  const check = async (one: TableStore): Promise<void> => {
    expect(await all(one, 'u')).toEqual([['last', '1499']]);
    const values = await all(one, 't');
    expect(
      values.map(([, value]) => Number(value.replace(/x+$/, ''))).sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 50 }, (_, index) => 1_450 + index));
  };
  await check(store);
  await store[Symbol.asyncDispose]();
  await using again = await open();
  await check(again);
});

test('a torn end is cut; damage before the end is refused; so is a file of others', async () => {
  const path = join(directory, 'agent.db');
  const store = await open();
  await store.commit([put('t', 'a', '1')]);
  const first = await store.size();
  await store.commit([put('t', 'b', '2')]);
  const second = await store.size();
  await store[Symbol.asyncDispose]();
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, second - 1));
  const cut = await open();
  expect(await all(cut, 't')).toEqual([['a', '1']]);
  await cut.commit([put('t', 'c', '3')]);
  await cut[Symbol.asyncDispose]();
  const healed = await open();
  expect(await all(healed, 't')).toEqual([
    ['a', '1'],
    ['c', '3'],
  ]);
  await healed[Symbol.asyncDispose]();
  const damaged = Buffer.from(whole);
  damaged.writeUInt8(damaged.readUInt8(first - 1) ^ 1, first - 1);
  writeFileSync(path, damaged);
  await expect(open()).rejects.toMatchObject({ code: 'damaged' });
  writeFileSync(path, 'something else, of somebody else');
  await expect(open()).rejects.toMatchObject({ code: 'damaged' });
});

test('a full disk: the reserve is used, then commits are refused, then all is well again', async () => {
  using disk = mountMemory(6);
  const path = join(disk.path, 'agent.db');
  const reserveBytes = 1 << 20;
  const store = await openTables(path, { reserveBytes });
  await store.commit([put('t', 'first', '1')]);
  const filler = join(disk.path, 'filler');
  const fill = (): void => {
    for (;;) writeFileSync(filler, new Uint8Array(16_384), { flag: 'a' });
  };
  expect(fill).toThrow(/ENOSPC/);
  let taken = 0;
  const untilFull = async (): Promise<never> => {
    for (;;) {
      await store.commit([put('t', `k${taken}`, 'x'.repeat(50_000))]);
      taken += 1;
    }
  };
  await expect(untilFull()).rejects.toMatchObject({ code: 'disk-full' });
  // The reserve's room took some of them.
  expect(taken).toBeGreaterThan(5);
  expect(() => statSync(`${path}.reserve`)).toThrow(/ENOENT/);
  rmSync(filler);
  await store.commit([put('t', 'again', '2')]);
  await expect
    .poll(() => statSync(`${path}.reserve`, { throwIfNoEntry: false })?.size, { timeout: 5_000 })
    .toBe(reserveBytes);
  await store[Symbol.asyncDispose]();
  await using again = await openTables(path, { reserveBytes });
  expect(await again.load('t')).toHaveLength(taken + 2);
});
