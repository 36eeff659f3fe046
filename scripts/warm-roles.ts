/**
 * The warm-up of server and agent: both run in one process, out of one script, so that one cache
 * holds what each compiles; consoles beside it load a program, run commands and read what came of
 * them. So a node's first runs find compiled what is compiled once anyway.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const PATIENCE_MS = 60_000;
const ROLES = 2;

/**
 * Begins a role for each line of stdin, with the assets of the executable, and ends when all of
 * them have: a role that ends says so by process.exit.
 */
export const rolesSource = (assets: {
  readonly main: string;
  readonly shim: string;
}): string => `const sea = require('node:sea');
const assets = ${JSON.stringify({ 'main.cjs': assets.main, shim: assets.shim })};
sea.isSea = () => true;
sea.getAsset = (name, encoding) => fs.readFileSync(assets[name], encoding);
sea.getRawAsset = (name) => new Uint8Array(fs.readFileSync(assets[name])).buffer;
let ended = 0;
process.exit = (code = process.exitCode ?? 0) => {
  if (code !== 0) exit(code);
  ended += 1;
  if (ended === ${ROLES}) finish();
};
process.stdin.setEncoding('utf8').on('data', (line) => run(JSON.parse(line)));
`;

export interface Surroundings {
  /** Program and first arguments of a console. */
  readonly console: readonly string[];
  /** Empty, and left to whoever made it. */
  readonly directory: string;
}

/** A life in short: a fleet of one node, commands and a bundle's program; then both are ended. */
export async function driveRoles(
  roles: ChildProcess,
  { console, directory }: Surroundings,
): Promise<void> {
  const at = (name: string): string => join(directory, name);
  const begin = async (name: string, ...words: string[]): Promise<void> => {
    const ready = at(`${name}.ready`);
    const line = [...words, '--data', at(name), '--ready-file', ready];
    roles.stdin?.write(`${JSON.stringify(line)}\n`);
    await until(() => existsSync(ready), `the ${name} is ready`);
  };
  const [program = '', ...first] = console;
  const env = { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: at('server/admin.json') };
  const admin = async (...words: string[]): Promise<string> => {
    const line = [...first, 'admin', ...words];
    const { stdout } = await promisify(execFile)(program, line, { env, timeout: PATIENCE_MS });
    return stdout.trim();
  };
  await begin('server', 'server', '--listen', '127.0.0.1:0');
  const { addresses } = JSON.parse(await readFile(at('server/admin.json'), 'utf8')) as Identity;
  const token = await admin('token', 'create', '--role', 'agent', '-o', 'name');
  const node = ['--server', addresses[0] ?? '', '--token', token, '--name', 'n1'];
  await begin('agent', 'agent', ...node, '--heartbeat', '200ms', '--stop-processes');
  const isOnline = async (): Promise<boolean> => (await admin('nodes')).includes('online');
  await until(isOnline, 'the node is online');
  const work = at('work');
  writeFileSync(work, '#!/bin/sh\necho one; echo two >&2; exec sleep "$@"\n', { mode: 0o755 });
  for (const line of lines(work)) await admin(...line);
  roles.kill('SIGTERM');
}

const lines = (work: string): readonly (readonly string[])[] => [
  ...[0, 1, 2].map(() => ['run', '--on', '@all', '--', 'echo', 'one']),
  ['load', work, '--name', 'work', '--wait'],
  ['task', 'create', 'short', '--bundle', 'work', '--', './work', '0'],
  ['task', 'create', 'long', '--bundle', 'work', '--', './work', '60'],
  ...[0, 1].flatMap(() => [
    ['start', 'short', '--wait'],
    ['wait', 'short'],
    ['start', 'long', '--wait'],
    ['suspend', 'long', '--wait'],
    ['resume', 'long', '--wait'],
    ['kill', 'long', '--wait'],
  ]),
  ['start', 'long', '--wait'],
  ['stop', 'long', '--wait'],
  ['logs', 'short'],
  ['ps', '--all'],
  ['stats'],
  ['task', 'rm', 'short', 'long'],
  ['unload', 'work', '--wait'],
];

interface Identity {
  readonly addresses: readonly string[];
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`never came true: ${what}`);
    await sleep(20);
  }
}
