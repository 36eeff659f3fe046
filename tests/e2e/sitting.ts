/**
 * Somebody at a terminal: a pseudo-terminal of its own (`script` makes it), a shell on it, and in
 * the shell the console. What is typed goes through the terminal's line discipline, so Ctrl-C is
 * SIGINT where the terminal is cooked and a character where it is raw. In the end the shell tells
 * the exit code and how the terminal was left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { executable, type Fleet, processesBelow, until } from './fleet.ts';

export const CTRL_C = '\u{3}';

export class Sitting {
  readonly child: ChildProcess;
  text = '';
  readonly ended: Promise<void>;
  readonly #fleet: Fleet;
  readonly #words: string;

  /** `words` are the shell's: `admin top`, `admin load x --name x > out`. */
  constructor(fleet: Fleet, words: string) {
    this.#fleet = fleet;
    this.#words = words;
    const place = fleet.place('srv');
    // The shell hears Ctrl-C as well, and stays; what it runs has the usual disposition.
    const line = [
      'trap : INT',
      'stty rows 20 cols 90',
      `${executable} ${words}`,
      'echo "code $?"',
      "stty -a | tr ';' '\\n'",
    ].join('\n');
    this.child = spawn('ip', ['netns', 'exec', place.netns, 'script', '-qfec', line, '/dev/null'], {
      cwd: fleet.directory,
      env: {
        ...{ PATH: process.env['PATH'] ?? '', HOME: fleet.directory, TERM: 'xterm' },
        ...{ LOTC_IDENTITY: fleet.path('s/admin.json'), SHELL: '/bin/sh' },
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

  /** Until this stands on the terminal. */
  async shows(what: string | RegExp, timeoutMs = 20_000): Promise<void> {
    const isThere = (): boolean =>
      typeof what === 'string' ? this.text.includes(what) : what.test(this.text);
    await until(isThere, timeoutMs, () => `${String(what)} in ${JSON.stringify(this.text)}`);
  }

  /** The console's pid; not before it is there. */
  async pid(): Promise<number> {
    let found: number | undefined;
    const isThere = (): boolean => {
      found = processesBelow(this.#fleet.directory).find(
        (pid) =>
          wordsOf(pid)[0] === executable &&
          this.#words.startsWith(wordsOf(pid).slice(1, 3).join(' ')),
      );
      return found !== undefined;
    };
    await until(isThere, 10_000, () => 'no console');
    return found ?? 0;
  }

  /** The window is closed: the terminal goes, and all who sat at it hear SIGHUP. */
  close(): void {
    this.child.kill('SIGKILL');
  }

  /** Its code, once it has ended, and what the terminal then lacks of being cooked and echoing. */
  async left(): Promise<{ readonly code: number; readonly lacks: readonly string[] }> {
    await until(
      () => this.child.exitCode !== null || this.child.signalCode !== null,
      20_000,
      () => `still there: ${JSON.stringify(this.text)}`,
    );
    await this.ended;
    const at = this.text.lastIndexOf('code ');
    const told = this.text.slice(at).replaceAll('\r', '').split('\n');
    const settings = told.slice(1).join('\n').split(/\s+/);
    const cooked = ['icanon', 'echo', 'isig', 'opost'];
    return {
      code: Number(told[0]?.slice('code '.length)),
      lacks: cooked.filter((one) => !settings.includes(one)),
    };
  }
}

/** It has ended with this code, and left the terminal as it was. */
export async function expectLeft(sitting: Sitting, code: number): Promise<void> {
  const left = await sitting.left();
  expect({ ...left, text: sitting.text }).toMatchObject({ code, lacks: [] });
}

function wordsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
