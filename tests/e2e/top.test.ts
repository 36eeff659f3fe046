/** `lotc admin top` on a terminal: what it draws, and how it leaves it on every way out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, processesBelow, until } from './fleet.ts';

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

/** On a terminal of its own (`script` makes it), which tells in the end how it was left. */
class Sitting {
  readonly child: ChildProcess;
  text = '';
  readonly ended: Promise<void>;

  constructor(...more: readonly string[]) {
    const place = fleet.place('srv');
    const top = `${executable} admin top ${more.join(' ')}`;
    const line = `stty rows 20 cols 90; ${top}; echo "code $?"; stty -a | tr ';' '\\n'`;
    this.child = spawn('ip', ['netns', 'exec', place.netns, 'script', '-qfec', line, '/dev/null'], {
      cwd: fleet.directory,
      env: {
        ...{ PATH: process.env['PATH'] ?? '', HOME: fleet.directory, TERM: 'xterm' },
        LOTC_IDENTITY: fleet.path('s/admin.json'),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (data: Buffer) => {
      this.text += data.toString();
    });
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()));
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** It has left the terminal cooked, with its cursor, on the screen that was there before. */
  async left(code: number): Promise<void> {
    await this.ended;
    const rest = this.text.slice(this.text.lastIndexOf(LEAVE));
    expect(this.text.split(ENTER)).toHaveLength(2);
    expect(this.text.split(`${ESC}[?25l`)).toHaveLength(this.text.split(`${ESC}[?25h`).length);
    expect(rest).toContain(`code ${code}`);
    expect(rest).toMatch(/[^-]icanon/);
    expect(rest).toMatch(/[ \n]echo /);
  }
}

test('draws nodes and processes, sorts by a key, and q leaves', async () => {
  const sitting = new Sitting();
  await until(
    () => sitting.text.includes('web'),
    10_000,
    () => sitting.text,
  );
  expect(sitting.text).toContain('1 node, 1 process');
  sitting.type('m');
  await until(
    () => sitting.text.includes('memory'),
    10_000,
    () => sitting.text,
  );
  sitting.type('q');
  await sitting.left(0);
});

test('a signal leaves it too', async () => {
  const sitting = new Sitting('--every', '300ms');
  await until(() => sitting.text.includes('web'));
  const [top] = processesBelow(fleet.directory).filter((pid) => commandLine(pid).includes(' top'));
  expect(top).toBeGreaterThan(0);
  process.kill(top ?? 0, 'SIGTERM');
  await sitting.left(0);
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

function commandLine(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words[0] === executable ? words.join(' ') : '';
  } catch {
    return '';
  }
}
