/** A server of the sources on loopback, in `s` below a directory; what it wrote to stderr. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Admin } from '../../bench/rig.ts';
import { until } from '../e2e/fleet.ts';

export const main = resolve(import.meta.dirname, '../../src/main.ts');

export interface ServerProcess {
  readonly child: ChildProcess;
  text(): string;
}

/** `before`: words to Node itself. Resolves when it serves, or has ended. */
export async function startServer(
  directory: string,
  env: Record<string, string> = {},
  ...before: string[]
): Promise<ServerProcess> {
  const ready = join(directory, 'ready');
  rmSync(ready, { force: true });
  const { LOTC_LISTEN: listen = '127.0.0.1:0' } = env;
  const args = ['--data', join(directory, 's'), '--listen', listen, '--ready-file', ready];
  const child = spawn(process.execPath, [...before, main, 'server', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const text: Buffer[] = [];
  child.stderr?.on('data', (data: Buffer) => text.push(data));
  await until(() => existsSync(ready) || child.exitCode !== null, 30_000);
  return { child, text: () => Buffer.concat(text).toString() };
}

export const adminOf = (directory: string): Admin =>
  JSON.parse(readFileSync(join(directory, 's/admin.json'), 'utf8')) as Admin;
