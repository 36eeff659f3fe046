/**
 * What the tests of the shim stand on: a directory for one run, its events in order, and an end
 * for everything that was started, by pid. Knows nothing of what is tested.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Launch } from '../../src/supervisor/launch.ts';
import { attachShim, launchShim, type ShimHandle } from '../../src/supervisor/shim.io.ts';
import type { ShimEvent } from '../../src/supervisor/shim.ts';
import { removeTree } from '../fixtures/remove.ts';

export const root = resolve(import.meta.dirname, '../..');
const WAIT_MS = 10_000;

export interface Built {
  readonly directory: string;
  readonly path: string;
  /** What the sanitizers had to say. */
  faults(): string;
}

/** The shim as it is shipped, or with sanitizers, whose findings go to files and end it. */
export function buildShim(sanitized: boolean): Built {
  const directory = mkdtempSync(join(tmpdir(), 'lotc-shim-'));
  const path = join(directory, 'shim');
  const flags = '-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all';
  execFileSync(join(root, 'scripts/build-shim'), [sanitized ? `${path}-sanitized` : path], {
    env: { ...process.env, CFLAGS: sanitized ? flags : '' },
  });
  if (sanitized) {
    // Nothing is allocated; and the leak check is a child, which a test may take for the run's.
    const options = `log_path=${directory}/fault:detect_leaks=0`;
    const script = `#!/bin/sh\nexport ASAN_OPTIONS=${options} UBSAN_OPTIONS=${options}\n`;
    writeFileSync(path, `${script}exec ${path}-sanitized\n`, { mode: 0o755 });
  }
  return {
    directory,
    path,
    faults: () => execFileSync('sh', ['-c', `cat ${directory}/fault* 2>/dev/null || :`]).toString(),
  };
}

export class Run {
  readonly directory = mkdtempSync(join(tmpdir(), 'lotc-run-'));
  readonly events: ShimEvent[] = [];
  handle: ShimHandle | undefined;
  shimPid: number | undefined;

  readonly on = (event: ShimEvent): void => {
    this.events.push(event);
    if (event.kind === 'hello') this.shimPid = event.shimPid;
  };

  path(name: string): string {
    return join(this.directory, name);
  }

  text(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  launch(argv: Launch['argv'], more: Partial<Launch> = {}): Launch {
    return {
      socket: this.path('socket'),
      record: this.path('exit'),
      stdout: this.path('out'),
      stderr: this.path('out'),
      argv,
      env: ['PATH=/usr/bin:/bin'],
      umask: 0o22,
      ...more,
    };
  }

  start(shim: string, argv: Launch['argv'], more: Partial<Launch> = {}): void {
    this.handle = launchShim(shim, this.launch(argv, more), this.on);
  }

  async attach(): Promise<boolean> {
    this.handle = await attachShim(this.path('socket'), this.on);
    return this.handle !== undefined;
  }

  /** The first event of a kind, those that came already included. */
  async event<K extends ShimEvent['kind']>(kind: K): Promise<Extract<ShimEvent, { kind: K }>> {
    const found = await eventually(() => this.events.find((event) => event.kind === kind), kind);
    return found as Extract<ShimEvent, { kind: K }>;
  }

  async end(): Promise<void> {
    this.handle?.send({ kind: 'quit' });
    if (this.shimPid !== undefined && isShim(this.shimPid)) {
      await eventually(() => {
        for (const pid of below(this.shimPid ?? 0)) kill(pid);
        return !isShim(this.shimPid ?? 0);
      }, 'the end of the shim');
    }
    this.handle?.close();
    removeTree(this.directory);
  }
}

/** What `look` answers once it is neither nothing nor empty. */
export async function eventually<T>(look: () => T, what: string): Promise<NonNullable<T>> {
  for (const endMs = Date.now() + WAIT_MS; Date.now() < endMs; ) {
    const seen = look();
    if (seen) return seen;
    await sleep(2);
  }
  throw new Error(`did not come in ${WAIT_MS} ms: ${what}`);
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** /proc/PID/FILE, or nothing when there is no such process. */
export function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** A zombie is no longer one. */
export function isShim(pid: number): boolean {
  return /^Name:\tlotc-shim\n[^]*^State:\t[^Z]/m.test(proc(pid, 'status'));
}

export function children(pid: number): number[] {
  return proc(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

export function below(pid: number): number[] {
  return children(pid).flatMap((child) => [child, ...below(child)]);
}
