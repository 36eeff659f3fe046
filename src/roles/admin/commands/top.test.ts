import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { LotcError } from '../../../base/errors.ts';
import { type FakeConsole, type RunOptions, run, settle } from '../fake.io.ts';
import { SCREEN_ENTER, SCREEN_LEAVE } from '../screen.ts';

const at = 1_800_000_000_000_000;
const samples = [
  { node: 'n1', at, load1: 0.5, memoryBytes: 2 ** 30, memoryTotalBytes: 2 ** 33 },
  { node: 'n1', task: 'web', run: 'R0123456789A', at, cpuPercent: 5, memoryBytes: 9_000_000 },
  { node: 'n1', task: 'db', run: 'R0123456789B', at, cpuPercent: 80, memoryBytes: 1_000_000 },
];
const script = { retQuery: { ok: { samples } } };

/** A person at a terminal: what was typed, and how the terminal was left. */
function person(during: (console: FakeConsole, keys: PassThrough) => Promise<void>) {
  const seen = { raw: [] as boolean[], atExit: [] as (string | undefined)[], resize: () => {} };
  const keys = new PassThrough();
  let size = { rows: 12, columns: 100 };
  const options: RunOptions = {
    keys,
    prepare: (console) => {
      console.tty = {
        raw: (on) => void seen.raw.push(on),
        size: () => size,
        onResize: (listener) => {
          seen.resize = () => {
            size = { rows: 6, columns: 30 };
            listener();
          };
          return () => {};
        },
      };
    },
    during: async (console) => {
      await settle();
      await during(console, keys);
      seen.atExit.push(console.exitText);
    },
  };
  return { seen, options };
}

test('without a terminal it is one table, sorted', async () => {
  const { exitCode, stdout } = await run(['top'], script);
  expect(exitCode).toBe(0);
  expect(stdout.indexOf('db')).toBeLessThan(stdout.indexOf('web'));
  const byMemory = await run(['top', '--sort', 'memory', '--json'], script);
  expect((JSON.parse(byMemory.stdout) as { task: string }[]).map(({ task }) => task)).toEqual([
    null,
    'web',
    'db',
  ]);
});

test('on a terminal: drawn again, sorted by a key, ended by q, and the terminal is as before', async () => {
  const { seen, options } = person(async (console, keys) => {
    keys.write('m');
    await settle();
    console.pass(2_000);
    await settle();
    seen.resize();
    keys.write('\u{1b}[A');
    await settle();
    keys.write('q');
    await settle();
  });
  const { ask, console, exitCode, stdout } = await run(['top', '--on', 'zone=a'], script, options);
  expect(exitCode).toBe(0);
  expect(stdout.startsWith(SCREEN_ENTER)).toBe(true);
  expect(stdout.endsWith(SCREEN_LEAVE)).toBe(true);
  expect(stdout).toContain('by cpu');
  expect(stdout).toContain('memory');
  expect(ask.said.filter(({ kind }) => kind === 'retQuery')).toHaveLength(2);
  expect(ask.last('retQuery')).toMatchObject({ query: 'stats', on: 'zone=a' });
  expect(seen.raw).toEqual([true, false]);
  expect(console.exitText).toBeUndefined();
  expect(console.signal).toBeUndefined();
  expect(console.timers).toEqual([]);
});

test.each(['\u{3}', '\u{4}', '\u{1b}'])('key %j ends it too', async (key) => {
  const { seen, options } = person(async (_, keys) => {
    keys.write(key);
    await settle();
  });
  const { stdout } = await run(['top'], script, options);
  expect(stdout.endsWith(SCREEN_LEAVE)).toBe(true);
  expect(seen.raw).toEqual([true, false]);
});

test('a signal, and a server that goes away, leave the terminal as it was', async () => {
  const signalled = person(async (console) => {
    console.signal?.('SIGTERM');
    await settle();
  });
  expect((await run(['top'], script, signalled.options)).stdout.endsWith(SCREEN_LEAVE)).toBe(true);
  let asked = 0;
  const away = () => {
    asked += 1;
    return asked === 1 ? { ok: { samples } } : { error: new LotcError('unreachable', 'gone') };
  };
  const lost = person(async (console) => {
    expect(console.exitText).toBe(SCREEN_LEAVE);
    console.pass(2_000);
    await settle();
  });
  const { exitCode, stdout } = await run(['top'], { retQuery: away }, lost.options);
  expect([exitCode, stdout.endsWith(SCREEN_LEAVE)]).toEqual([5, true]);
  expect(lost.seen.raw).toEqual([true, false]);
});

test.each([
  ['--sort', 'size'],
  ['--every', '10ms'],
  ['--every', 'soon'],
])('top %s %s is a usage error', async (option, value) => {
  expect((await run(['top', option, value], {})).exitCode).toBe(2);
});
