/**
 * The console at a terminal: Ctrl-C, a closed window and a raw terminal while it streams, waits or
 * sends; the exit code, and how the terminal is left. All on real pseudo-terminals.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, until } from './fleet.ts';
import { CTRL_C, expectLeft, Sitting } from './sitting.ts';

const INTERRUPTED = 130;

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await Promise.all([fleet.agent('n1'), fleet.agent('n2')]);
  await fleet.online('n1', 'n2');
  const talk = 'while :; do echo tick; sleep 0.2; done';
  await fleet.must(['task', 'create', 'talk', '--on', 'n1', '--', 'sh', '-c', talk]);
  await fleet.must(['start', 'talk', '--wait']);
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** Runs by `run` that have not ended. */
async function adHoc(): Promise<number> {
  const rows = await fleet.json<{ task: string | null }[]>(['ps']);
  return rows.filter(({ task }) => task === null).length;
}
const allGone = (): Promise<void> => until(async () => (await adHoc()) === 0, 30_000);

const program = (onInt: string): string =>
  `sh -c 'trap "${onInt}" INT; echo begun; while :; do sleep 0.1; done'`;

test('Ctrl-C goes to the program of `run`, whose own code comes back', async () => {
  const sitting = new Sitting(fleet, `admin run --on n1 -- ${program('echo heard; exit 42')}`);
  await sitting.shows('begun');
  sitting.type(CTRL_C);
  await expectLeft(sitting, 42);
  expect(sitting.text).toContain('heard');
  await allGone();
});

test('a program that Ctrl-C ends comes back as 130', async () => {
  const sitting = new Sitting(fleet, "admin run --on n1 -- sh -c 'echo begun; exec sleep 600'");
  await sitting.shows('begun');
  sitting.type(CTRL_C);
  await expectLeft(sitting, INTERRUPTED);
  await allGone();
});

test('of several nodes each hears it', async () => {
  const sitting = new Sitting(fleet, `admin run --on n1,n2 -- ${program('echo heard; exit 0')}`);
  await sitting.shows('n1| begun');
  await sitting.shows('n2| begun');
  sitting.type(CTRL_C);
  await expectLeft(sitting, 0);
  expect(sitting.text).toContain('n1| heard');
  expect(sitting.text).toContain('n2| heard');
});

test('a program that stays: told after the second Ctrl-C, left by the third, then ended', async () => {
  const sitting = new Sitting(fleet, `admin run --on n1 -- ${program('echo heard')}`);
  await sitting.shows('begun');
  sitting.type(CTRL_C);
  await sitting.shows('heard');
  expect(sitting.text).not.toContain('once more');
  sitting.type(CTRL_C);
  await sitting.shows('once more');
  expect(await adHoc()).toBe(1);
  sitting.type(CTRL_C);
  await expectLeft(sitting, INTERRUPTED);
  await allGone();
});

test('the window is closed: the program gets TERM', async () => {
  const sitting = new Sitting(
    fleet,
    `admin run --on n1 -- sh -c 'trap "echo term > ${fleet.path('told')}; exit 0" TERM; echo begun; while :; do sleep 0.1; done'`,
  );
  await sitting.shows('begun');
  sitting.close();
  await allGone();
  expect((await fleet.admin(['run', '--on', 'n1', '--', 'cat', fleet.path('told')])).stdout).toBe(
    'term\n',
  );
});

test('run -t: the far terminal makes the signal, and the near one is cooked again', async () => {
  const sitting = new Sitting(fleet, "admin run --on n1 -t -- sh -c 'stty size; exec cat'");
  await sitting.shows('20 90\r\n');
  sitting.type('echoed\r');
  await sitting.shows(/echoed\r\n[^]*echoed\r\n/);
  // What the far terminal has made of line ends is left alone by this one.
  expect(sitting.text).not.toContain('\r\r');
  sitting.type(CTRL_C);
  await expectLeft(sitting, INTERRUPTED);
  expect(sitting.text).toContain('^C');
  await allGone();
});

test('run -t: the window is closed, and so is the far one', async () => {
  const sitting = new Sitting(fleet, "admin run --on n1 -t -- sh -c 'echo begun; exec sleep 600'");
  await sitting.shows('begun');
  sitting.close();
  await allGone();
  expect(await adHoc()).toBe(0);
});

test('run -t: a console that is told to end leaves the terminal as it was', async () => {
  const sitting = new Sitting(fleet, "admin run --on n1 -t -- sh -c 'echo begun; exec sleep 600'");
  await sitting.shows('begun');
  process.kill(await sitting.pid(), 'SIGHUP');
  await expectLeft(sitting, 129);
  await allGone();
});

test.each([
  ['logs talk -f', 'tick'],
  ['stats --watch', 'talk'],
  ['events -f', ''],
  ['wait talk', ''],
])('Ctrl-C ends %s', async (words, shown) => {
  const sitting = new Sitting(fleet, `admin ${words}`);
  await sitting.pid();
  await sitting.shows(shown);
  sitting.type(CTRL_C);
  await expectLeft(sitting, INTERRUPTED);
});

test('a push tells how far it is on the terminal, and nothing but its result on stdout', async () => {
  writeFileSync(fleet.path('big'), Buffer.alloc(64 << 20, 'lotc'));
  const sitting = new Sitting(fleet, 'admin load big --name big --wait > out');
  await expectLeft(sitting, 0);
  expect(sitting.text).toMatch(/\r\u{1b}\[Kbig: digest \[#+\.+\] +\d+% of 64/u);
  expect(sitting.text).toMatch(/\r\u{1b}\[Kbig: send \[#+\.+\] +\d+% of 64/u);
  // Wiped in the end: what comes next stands at the start of a line of its own.
  expect(sitting.text).toMatch(/\r\u{1b}\[Kcode 0/u);
  const out = await fleet.admin(['run', '--on', 'n1', '--', 'cat', fleet.path('out')]);
  expect(out.stdout).toMatch(/^(n[12]: loaded\n){2}$/);
});

test('Ctrl-C in the midst of a push: nothing is loaded, the line is whole', async () => {
  writeFileSync(fleet.path('huge'), Buffer.alloc(512 << 20, 'lotc and more'));
  const push = new Sitting(fleet, 'admin load huge --name huge');
  await push.shows('huge: send');
  push.type(CTRL_C);
  await expectLeft(push, INTERRUPTED);
  expect((await fleet.json<{ name: string }[]>(['bundle', 'ls'])).map(({ name }) => name)).toEqual([
    'big',
  ]);
});
