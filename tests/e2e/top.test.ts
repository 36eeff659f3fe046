/** `lotc admin top` on a terminal: what it draws, and how it leaves it on every way out. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, until } from './fleet.ts';
import { CTRL_C, expectLeft, Sitting } from './sitting.ts';

const ESC = '\u{1b}';
const ENTER = `${ESC}[?1049h`;
const LEAVE = `${ESC}[?1049l`;

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
  await fleet.must(['task', 'create', 'web', '--', 'sleep', '600']);
  await fleet.must(['start', 'web', '--wait']);
  const hasRun = async () =>
    (await fleet.json<{ task: string | null }[]>(['stats'])).some(({ task }) => task === 'web');
  await until(hasRun, 15_000);
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function expectRestored(sitting: Sitting, code: number): Promise<void> {
  await expectLeft(sitting, code);
  const { text } = sitting;
  expect(text.split(ENTER)).toHaveLength(2);
  expect(text.split(LEAVE)).toHaveLength(2);
  expect(text.lastIndexOf(LEAVE)).toBeLessThan(text.lastIndexOf('code '));
  expect(text.split(`${ESC}[?25l`)).toHaveLength(text.split(`${ESC}[?25h`).length);
}

test('draws nodes and processes, sorts by a key, and q leaves', async () => {
  const sitting = new Sitting(fleet, 'admin top');
  await sitting.shows('web');
  expect(sitting.text).toContain('1 node, 1 process');
  sitting.type('m');
  await sitting.shows('memory');
  sitting.type('q');
  await expectRestored(sitting, 0);
});

test('a signal leaves it too', async () => {
  const sitting = new Sitting(fleet, 'admin top --every 300ms');
  await sitting.shows('web');
  process.kill(await sitting.pid(), 'SIGTERM');
  await expectRestored(sitting, 0);
});

test('Ctrl-C leaves it as q does', async () => {
  const sitting = new Sitting(fleet, 'admin top');
  await sitting.shows('web');
  sitting.type(CTRL_C);
  await expectRestored(sitting, 0);
});

test('without a terminal it is one table', async () => {
  const { code, stdout } = await fleet.admin(['top', '--sort', 'name']);
  expect(code).toBe(0);
  expect(stdout).toContain('web');
  expect(stdout).not.toContain(ESC);
});

test('readings of the last minutes are there at once', async () => {
  await sleep(6_000);
  const rows = await fleet.json<{ task: string; at: string }[]>(['stats', 'web', '--since', '10m']);
  expect(rows.length).toBeGreaterThanOrEqual(2);
  expect(rows.every(({ task }) => task === 'web')).toBe(true);
  expect(rows.map(({ at }) => at)).toEqual(rows.map(({ at }) => at).sort());
});
