/** The units of docs/OPERATIONS.md as they stand there, under systemd itself. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { groupMounts } from '../../src/supervisor/tree.ts';
import { executable, Fleet, processesBelow, until } from './fleet.ts';

const root = resolve(import.meta.dirname, '../..');
const group = `lotc-systemd-${process.pid}`;

let fleet: Fleet;
let manager: ChildProcess;
let own: string;
let program: number;

const systemctl = (...words: string[]): string =>
  execFileSync('systemctl', ['--user', ...words], {
    encoding: 'utf8',
    timeout: 60_000,
    env: {
      PATH: process.env['PATH'] ?? '',
      XDG_RUNTIME_DIR: fleet.path('runtime'),
      SYSTEMD_PAGER: '',
    },
  }).trim();

const stateOf = (unit: string): string => systemctl('show', '-p', 'ActiveState', '--value', unit);
const mainOf = (unit: string): number =>
  Number(systemctl('show', '-p', 'MainPID', '--value', unit));

/** A unit of the document, with what is said otherwise, and its output in a file. */
function unitOf(name: string, ...changes: readonly (readonly [RegExp, string])[]): void {
  const document = readFileSync(join(root, 'docs/OPERATIONS.md'), 'utf8');
  const text = new RegExp(`^# /etc/systemd/system/${name}\\n([^]*?)^\`\`\``, 'm').exec(
    document,
  )?.[1];
  let unit = text ?? '';
  for (const [from, to] of [
    ...changes,
    [/^Type=notify$/m, `$&\nStandardError=append:${fleet.path(`${name}.log`)}`] as const,
  ]) {
    expect(unit).toMatch(from);
    unit = unit.replace(from, to);
  }
  writeFileSync(fleet.path(`units/${name}`), unit);
}

function writeUnits(token: string): void {
  mkdirSync(fleet.path('units'));
  mkdirSync(fleet.path('runtime'), { mode: 0o700 });
  for (const target of ['default', 'basic', 'network', 'shutdown', 'exit']) {
    const text = `[Unit]\nDescription=${target}\nDefaultDependencies=no\n`;
    writeFileSync(fleet.path(`units/${target}.target`), text);
  }
  // A manager that is not the machine's has no other users, no /var/lib, and inside a container
  // no file systems to give to a service alone.
  const without = ['User=lotc', 'StateDirectory=lotc', 'ProtectSystem=strict', 'ProtectHome=yes'];
  unitOf(
    'lotc-server.service',
    ...[...without, 'PrivateTmp=yes', 'PrivateDevices=yes'].map(
      (line) => [new RegExp(`^${line}\\n`, 'm'), ''] as const,
    ),
    [/^ExecStart=.*$/m, `ExecStart=${own} server --data ${fleet.path('s')}`],
  );
  const { ipv4 } = fleet.place('srv');
  const words = `--data ${fleet.path('a')} --name n1 --server ${ipv4} --token-file ${token}`;
  unitOf('lotc-agent.service', [/^ExecStart=.*$/m, `ExecStart=${own} agent ${words}`]);
}

beforeAll(async () => {
  fleet = new Fleet();
  own = fleet.path('lotc');
  copyFileSync(executable, own);
  const token = fleet.path('token');
  writeUnits(token);
  const { netns } = fleet.place('srv');
  const script = join(root, 'tests/e2e/fixtures/systemd');
  const words = [fleet.path('units'), fleet.path('runtime'), group];
  manager = spawn('ip', ['netns', 'exec', netns, script, ...words], {
    cwd: fleet.directory,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', HOME: fleet.directory },
  });
  await until(
    () => existsSync(fleet.path('runtime/systemd/private')),
    30_000,
    () => 'systemd does not listen',
  );
  systemctl('start', 'lotc-server');
  writeFileSync(token, await fleet.must(['token', 'create', '--role', 'agent', '-o', 'name']));
  systemctl('start', 'lotc-agent');
  await fleet.online('n1');
  await fleet.must(['task', 'create', 'web', '--restart', 'always', '--', 'sleep', '100000']);
  await fleet.must(['start', 'web', '--wait']);
  program = (await ps()).pid;
});

afterAll(async () => {
  systemctl('stop', 'lotc-agent', 'lotc-server');
  const ended = once(manager, 'exit');
  manager.kill('SIGKILL');
  await ended;
  await fleet[Symbol.asyncDispose]();
  await dropGroups();
});

/** What systemd leaves of its own groups. */
async function dropGroups(): Promise<void> {
  const mount = groupMounts(readFileSync('/proc/self/mounts', 'utf8'))[0] ?? '/sys/fs/cgroup';
  const below = execFileSync('find', [join(mount, group), '-depth', '-type', 'd']).toString();
  for (const path of below.trim().split('\n')) rmdirSync(path);
}

interface Row {
  readonly run: string;
  readonly state: string;
  readonly pid: number;
  readonly restarts: number;
}

async function ps(): Promise<Row> {
  const [row] = await fleet.json<Row[]>(['ps', 'web']);
  if (row === undefined) throw new Error('web has no run');
  return row;
}

/** The process from the start on, and nobody beside it. */
async function expectTheSame(): Promise<void> {
  await until(
    async () => (await fleet.nodeState('n1')) === 'online',
    30_000,
    () => `n1 is not online: ${readFileSync(fleet.path('lotc-agent.service.log'), 'utf8')}`,
  );
  expect(await ps()).toMatchObject({ state: 'running', pid: program, restarts: 0 });
  expect(processesBelow(fleet.path('a')).filter((pid) => isProgram(pid))).toEqual([program]);
}

function isProgram(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\0');
}

test('both are active once they serve', () => {
  expect([stateOf('lotc-server'), stateOf('lotc-agent')]).toEqual(['active', 'active']);
});

test('a server that crashes leaves no core: it would hold the keys of the fleet', () => {
  const limitsOf = readFileSync(`/proc/${mainOf('lotc-server')}/limits`, 'utf8');
  expect(limitsOf).toMatch(/^Max core file size +0 +0 /m);
});

test('stop leaves the processes, start finds them', async () => {
  systemctl('stop', 'lotc-agent');
  expect(stateOf('lotc-agent')).toBe('inactive');
  expect(isProgram(program)).toBe(true);
  systemctl('start', 'lotc-agent');
  await expectTheSame();
});

test('restart: what still runs in its groups does not hinder it', async () => {
  const before = mainOf('lotc-agent');
  systemctl('restart', 'lotc-agent');
  expect(stateOf('lotc-agent')).toBe('active');
  expect(mainOf('lotc-agent')).not.toBe(before);
  await expectTheSame();
});

test('reload: the new executable under the same pid', async () => {
  const main = mainOf('lotc-agent');
  copyFileSync(executable, `${own}.new`);
  renameSync(`${own}.new`, own);
  systemctl('reload', 'lotc-agent');
  const image = statSync(own).ino;
  await until(
    () => statSync(`/proc/${main}/exe`).ino === image,
    20_000,
    () => readFileSync(fleet.path('lotc-agent.service.log'), 'utf8'),
  );
  await expectTheSame();
  expect(mainOf('lotc-agent')).toBe(main);
  expect(stateOf('lotc-agent')).toBe('active');
});

test('an agent that is killed is begun again', async () => {
  const main = mainOf('lotc-agent');
  process.kill(main, 'SIGKILL');
  await until(
    () => stateOf('lotc-agent') === 'active' && ![0, main].includes(mainOf('lotc-agent')),
    30_000,
    () => `lotc-agent is ${stateOf('lotc-agent')}`,
  );
  await expectTheSame();
  expect(systemctl('show', '-p', 'NRestarts', '--value', 'lotc-agent')).toBe('1');
});

test('the server too', async () => {
  systemctl('restart', 'lotc-server');
  await expectTheSame();
});
