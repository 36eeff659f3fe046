/**
 * What an agent finds that is not of its own making: itself before an upgrade, a machine that was
 * rebooted, orphans of a container, a stranger under the pid of a process that was its own.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { AgentProcess, isRunning, ScriptedServer, until } from './script.ts';

const cleanups: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of cleanups.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

type Surroundings = (agent: AgentProcess) => readonly string[];

async function joined(before: Surroundings = () => []) {
  const server = await ScriptedServer.open();
  const agent = new AgentProcess();
  cleanups.push(server, agent);
  agent.start(server, ['--token', server.token], before(agent));
  await until('hello', () => server.link);
  return { server, agent };
}

const again = async (server: ScriptedServer, start: () => void): Promise<void> => {
  const before = server.hellos.length;
  start();
  await until('another hello', () => server.hellos.length > before);
};

/** Surroundings in which the agent is the first process, and dies with what it started. */
const container = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];

test('SIGHUP: the same pid, processes as they were, and those of before are reaped', async () => {
  const { server, agent } = await joined();
  const command = ['/bin/sh', '-c', 'while sleep 0.02; do echo tick; done'];
  await server.start(1, 'R1', command);
  const pid = agent.saw((await server.state('R1', 'running')).pid);
  const shim = agent.shimOf(pid);
  for (let times = 0; times < 2; times += 1) {
    await again(server, () => agent.child?.kill('SIGHUP'));
    expect(agent.child?.exitCode).toBe(null);
    expect(isRunning(pid)).toBe(true);
  }
  expect(agent.log).toContain('upgrading');
  expect(agent.log).not.toContain('"level":50');
  expect(server.rows('R1').at(-1)).toMatchObject({ processState: 'running', pid, restarts: 0 });
  await server.order(2, 'stop', 'R1');
  expect(await server.state('R1', 'exited')).toMatchObject({ signal: 'SIGTERM' });
  // The shim is a child of this very process, which in its present life has not started it.
  await until('the shim reaped', () => !existsSync(`/proc/${shim}`));
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('SIGHUP right at the start, and together with SIGTERM', async () => {
  const { server, agent } = await joined();
  await agent.kill('SIGTERM');
  const lock = join(agent.data, 'private/lock.json');
  rmSync(lock);
  agent.start(server);
  await until('the lock', () => existsSync(lock));
  agent.child?.kill('SIGHUP');
  // The life that is told so early may not come to its first session.
  await until('the next life', () => agent.log.split('"upgrading"')[1]?.includes('"connected"'));
  agent.child?.kill('SIGHUP');
  agent.child?.kill('SIGTERM');
  expect(await agent.exit()).toBe(0);
});

test('as the first process of a container it reaps what is not its own', async () => {
  const { server, agent } = await joined(() => container);
  const unshare = agent.child?.pid ?? 0;
  const first = childrenOf(unshare)[0] ?? 0;
  expect(readFileSync(`/proc/${first}/status`, 'utf8')).toMatch(/^NSpid:.*\t1$/m);
  await server.start(1, 'R1', ['/bin/sh', '-c', 'sleep 1000 & sleep 1001']);
  const { pid } = await server.state('R1', 'running');
  const orphans = 'for n in 1 2 3 4 5 6 7 8; do (sleep 0.0$n &) ; done';
  execFileSync('nsenter', ['-t', String(first), '-p', '-m', 'sh', '-c', orphans]);
  const inside = (name: string): string[] => {
    const list = ['-t', String(first), '-p', '-m', 'ps', '-e', '-o', 'stat=,comm='];
    const lines = execFileSync('nsenter', list, { encoding: 'utf8' }).split('\n');
    return lines.filter((line) => line.includes(name) && line.startsWith('Z'));
  };
  await until(
    'the orphans reaped',
    () => inside('sleep').length === 0 && inside('sh').length === 0,
  );
  // A shim that is killed leaves its tree to the agent.
  const shim = execFileSync('nsenter', [
    '-t',
    String(first),
    '-p',
    '-m',
    'ps',
    '-o',
    'ppid=',
    String(pid),
  ]);
  execFileSync('nsenter', ['-t', String(first), '-p', '-m', 'kill', '-9', String(shim).trim()]);
  expect((await server.state('R1', 'lost')).reason).toMatch(/^the shim died/);
  await until('nothing left of it', () => {
    const list = ['-t', String(first), '-p', '-m', 'ps', '-e', '-o', 'args='];
    return !/sleep|lotc-shim|defunct/.test(execFileSync('nsenter', list, { encoding: 'utf8' }));
  });
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').map(Number);
}

/** With a boot id of its own. */
function machine(agent: AgentProcess, boot: string): string[] {
  const id = join(agent.root, boot);
  writeFileSync(id, `${boot}\n`);
  const bind = `mount --bind ${id} /proc/sys/kernel/random/boot_id && exec "$0" "$@"`;
  return [...container, 'sh', '-c', bind];
}

test('after a reboot what should run runs again, with the server away', async () => {
  const { server, agent } = await joined((one) => machine(one, 'one'));
  const witness = join(agent.root, 'witness');
  const lines = (): string[] =>
    existsSync(witness) ? readFileSync(witness, 'utf8').trim().split('\n').sort() : [];
  const command = ['/bin/sh', '-c', `echo $LOTC_RUN $LOTC_RESTARTS >> ${witness}; exec sleep 1000`];
  for (const [n, restart] of ['always', 'on-failure', 'no', 'always'].entries()) {
    const spec = { command, restart, backoffMinMs: 20, backoffMaxMs: 50 };
    await server.start(n + 1, `R${n + 1}`, command, { task: `t${n}`, spec });
    await server.state(`R${n + 1}`, 'running');
  }
  // A program that is stopped as soon as it runs may not have come to its first line.
  await until('four lines', () => lines().length === 4);
  await server.order(5, 'stop', 'R4');
  await server.state('R4', 'exited');
  await agent.kill('SIGKILL');
  await server.vanish();

  agent.start(server, [], machine(agent, 'two'));
  await until('their second launch', () => lines().length >= 6);
  expect(lines()).toEqual(['R1', 'R1 1', 'R2', 'R2 1', 'R3', 'R4']);
  await again(server, () => void server.listen(server.address));
  for (const run of ['R1', 'R2']) {
    await until(`${run} again`, () =>
      server.rows(run).some((row) => row.processState === 'running' && row.restarts === 1),
    );
  }
  expect((await server.state('R3', 'lost')).reason).toContain('rebooted');
  expect(lines()).toHaveLength(6);
});

test('a stranger under the pids of a process and its shim is left alone', async () => {
  const init = '"$0" "$@" & while :; do sleep 3000; done';
  const { server, agent } = await joined(() => [...container, 'sh', '-c', init]);
  const space = ['nsenter', '-t', String(childrenOf(agent.child?.pid ?? 0)[0]), '-p', '-m'];
  const inside = (...words: string[]): string => {
    const [program = '', ...rest] = [...space, ...words];
    return execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  };
  await server.start(1, 'R1', ['/bin/sleep', '1001']);
  const { pid = 0 } = await server.state('R1', 'running');
  const shim = Number(inside('ps', '-o', 'ppid=', String(pid)));
  const own = inside('ps', '-e', '-o', 'pid=,args=').split('\n');
  const role =
    own
      .find((line) => line.includes('lotc agent'))
      ?.trim()
      .split(' ')[0] ?? '';
  expect(role).not.toBe('');
  // The agent first: nobody shall see the end.
  inside('kill', '-9', role, String(shim));
  inside('sh', '-c', `while kill -9 ${pid} 2>/dev/null; do :; done`);
  for (const one of [pid, shim]) {
    const lower = `echo ${one - 1} > /proc/sys/kernel/ns_last_pid; sleep 1000 > /dev/null & echo $!`;
    await until(`a stranger as ${one}`, () => Number(inside('sh', '-c', lower)) === one);
  }
  await again(server, () => agent.start(server, [], space));
  expect((await server.state('R1', 'lost')).reason).toMatch(/^the shim died/);
  const strangers = inside('ps', '-o', 'args=', '-p', `${pid},${shim}`);
  expect(strangers.trim().split('\n')).toEqual(['sleep 1000', 'sleep 1000']);
});

test('a shim of another version is served by, and its words are enough', async () => {
  const { server, agent } = await joined();
  const run = `R1${process.pid}`;
  await server.start(1, run, ['/bin/sleep', '1000']);
  const pid = agent.saw((await server.state(run, 'running')).pid);
  const shim = agent.shimOf(pid);
  await agent.kill();
  process.kill(shim, 'SIGKILL');
  const socket = join(agent.data, 'private/s', run);
  rmSync(socket);
  const other = spawn(process.execPath, [
    join(import.meta.dirname, 'old-shim.ts'),
    socket,
    `${pid}`,
  ]);
  agent.saw(other.pid);
  await until('its socket', () => existsSync(socket));
  await again(server, () => agent.start(server));
  await server.order(2, 'suspend', run);
  expect(await server.answer(2)).toMatchObject({ ok: true });
  await server.order(3, 'stop', run);
  expect(await server.state(run, 'exited')).toMatchObject({ exitCode: 5 });
});
