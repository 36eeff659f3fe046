/** Limits of a task as its agent holds them here: met by a program that wants more, and named. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { errorCodes } from '../../src/base/errors.ts';
import type { Shape } from '../../src/net/bodies.ts';
import { paths } from '../../src/supervisor/paths.ts';
import { AgentProcess, ScriptedServer, until } from './script.ts';

const cleanups: AsyncDisposable[] = [];
const MiB = 1024 * 1024;

afterEach(async () => {
  for (const one of cleanups.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function joined() {
  const server = await ScriptedServer.open();
  const agent = new AgentProcess();
  cleanups.push(server, agent);
  agent.start(server, ['--token', server.token]);
  await until('hello', () => server.link);
  const holds = server.hellos[0]?.holds ?? {};
  const start = (n: number, script: string, more: Partial<Shape<'spec'>>): Promise<void> => {
    const spec = { command: ['python3', '-c', script], ...more };
    return server.order(n, 'start', `R${n}`, { spec });
  };
  return { server, agent, holds, start };
}

const NO_GROUPS = 'memory is held by limits of single processes here: no control groups';
const greedy = 'b = bytearray(200 << 20); print(len(b))';

test('the node says which limits it holds, and by what', async () => {
  const { holds } = await joined();
  expect(holds).toMatchObject({ nofile: 'rlimit', uid: String(process.geteuid?.()) });
  expect(['cgroup1', 'cgroup2', 'rlimit']).toContain(holds['memory']);
});

test('memory: the kill is named; a restart counts anew', async ({ skip }) => {
  const { server, holds, start } = await joined();
  skip(holds['memory'] === 'rlimit', NO_GROUPS);
  await start(1, greedy, { memoryMaxBytes: 64 * MiB });
  const ended = await server.state('R1', 'exited');
  expect(ended).toMatchObject({ signal: 'SIGKILL' });
  expect(ended.reason).toBe('out of memory: the kernel killed it at its memory limit');

  const once = `import os
if os.environ.get('LOTC_RESTARTS'): os.kill(os.getpid(), 9)
b = bytearray(200 << 20)`;
  const spec = {
    ...{ command: ['python3', '-c', once], memoryMaxBytes: 64 * MiB, restart: 'on-failure' },
    ...{ maxRestarts: 1, backoffMinMs: 1, backoffMaxMs: 1 },
  };
  // Of a task, so that each of its states is told: those of a brief command may come together.
  await server.order(2, 'start', 'R2', { spec, task: 'once' });
  const failed = await server.state('R2', 'failed');
  const waited = server.rows('R2').find((row) => row.reason?.startsWith('restarts in'));
  expect(waited?.reason).toContain('out of memory');
  expect(failed.reason).toMatch(/^ended by SIGKILL after it was restarted once/);
});

test('memory: a kill that came while the agent was away is named as well', async ({ skip }) => {
  const { server, agent, holds, start } = await joined();
  skip(holds['memory'] === 'rlimit', NO_GROUPS);
  await start(1, `import time; time.sleep(1.5); ${greedy}`, { memoryMaxBytes: 64 * MiB });
  const { pid } = await server.state('R1', 'running');
  agent.saw(pid);
  await agent.kill('SIGKILL');
  await until('the end', () => !alive(pid));
  const before = server.hellos.length;
  agent.start(server);
  await until('another hello', () => server.hellos.length > before);
  expect((await server.state('R1', 'exited')).reason).toMatch(/^out of memory/);
});

test('memory: of a run that goes on, the child it hit is named at its end', async ({ skip }) => {
  const { server, holds, start } = await joined();
  skip(holds['memory'] === 'rlimit', NO_GROUPS);
  const parent = `import os
if os.fork() == 0: bytearray(200 << 20)
os.wait()`;
  await start(1, parent, { memoryMaxBytes: 64 * MiB });
  const ended = await server.state('R1', 'exited');
  expect(ended.reason).toMatch(/^out of memory: the kernel killed (it|a process of it)/);
});

test('pids, cpu, nofile: held, each', async () => {
  const { server, holds, start } = await joined();
  const forks = `import os, time
n = 0
try:
  while n < 20:
    if os.fork() == 0: time.sleep(0.5); os._exit(0)
    n += 1
except BlockingIOError: print('held at', n)`;
  const files = `import os
print(os.sysconf('SC_OPEN_MAX'))`;
  const busy = `import time
end = time.monotonic() + 1
while time.monotonic() < end: pass
print(round(time.process_time(), 2))`;
  await start(1, files, { nofileMax: 64 });
  await server.state('R1', 'exited');
  expect(await server.logs('R1')).toBe('64\n');
  await start(2, forks, { pidsMax: 5 });
  if (holds['pids'] === 'rlimit') {
    expect(await server.answer(2)).toMatchObject({ errorCode: errorCodes.unsupported.number });
  } else {
    await server.state('R2', 'exited');
    expect(await server.logs('R2')).toBe('held at 4\n');
  }
  await start(3, busy, { cpuMax: 0.2 });
  if (holds['cpu'] === undefined) {
    expect(await server.answer(3)).toMatchObject({ errorCode: errorCodes.unsupported.number });
  } else {
    await server.state('R3', 'exited');
    expect(Number(await server.logs('R3'))).toBeLessThan(0.4);
  }
});

test('stats of the last hour: readings go on while the server is away, with restarts', async () => {
  const { server, agent } = await joined();
  const spec = { command: ['sh', '-c', '[ -n "$LOTC_RESTARTS" ] || exit 3; exec sleep 60'] };
  const policy = { restart: 'on-failure', backoffMinMs: 1, backoffMaxMs: 1 };
  await server.order(1, 'start', 'R1', { spec: { ...spec, ...policy } });
  await until('its second launch', () => server.rows('R1').at(-1)?.restarts === 1);
  agent.saw((await server.state('R1', 'running')).pid);
  const sample = await until('a sample', () =>
    server.samples.at(-1)?.samples.find(({ run }) => run === 'R1'),
  );
  expect(sample).toMatchObject({ restarts: 1, lastExitCode: 3 });
  const { address } = server;
  await server.vanish();
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  const hellos = server.hellos.length;
  await server.listen(address);
  await until('another hello', () => server.hellos.length > hellos);
  const rows: Shape<'sample'>[] = [];
  const since = Date.now() * 1000 - 3_600_000_000;
  const ask = (names: string[]) =>
    server.link?.request(
      'retQuery',
      { query: 'stats', since, names },
      { onMore: ({ samples = [] }) => void rows.push(...samples) },
    );
  await ask([]);
  const mine = rows.filter(({ run }) => run === 'R1');
  expect(mine.length).toBeGreaterThanOrEqual(3);
  expect(rows.filter(({ run }) => run === undefined).length).toBeGreaterThanOrEqual(3);
  const gapsMs = mine.slice(1).map(({ at }, index) => (at - (mine[index]?.at ?? 0)) / 1000);
  expect(Math.max(...gapsMs)).toBeLessThan(9_000);
  rows.length = 0;
  await ask(['web@n1']);
  expect(new Set(rows.map(({ run }) => run))).toEqual(new Set(['R1']));
});

test('memory-warn: a run above it is told once', async () => {
  const { server, agent, start } = await joined();
  const script = 'import time; b = bytearray(30 << 20); time.sleep(60)';
  await start(1, script, { memoryWarnBytes: 10 * MiB });
  agent.saw((await server.state('R1', 'running')).pid);
  const warned = () => server.reports.filter(({ entry }) => entry === 'event');
  await until('a warning', () => warned().length > 0);
  expect(warned()[0]).toMatchObject({ eventKind: 'process-warned', run: 'R1', task: 'web' });
  expect(warned()[0]?.text).toMatch(/^uses \d+MiB of memory, more than 10MiB$/);
  const seen = server.samples.length;
  const readAt = () => server.samples.at(-1)?.samples.find(({ run }) => run === 'R1')?.at;
  const first = readAt();
  await until('another reading', () => server.samples.length > seen && readAt() !== first);
  expect(warned()).toHaveLength(1);
});

test('log-max: the newest output stays, the head is given back', async () => {
  const { server, agent, start } = await joined();
  const loud = `for n in range(400_000): print('line', n)`;
  await start(1, loud, { logMaxBytes: 256 * 1024 });
  await server.state('R1', 'exited');
  const path = join(paths(agent.data, 'R1').logs, 'stdout');
  expect(statSync(path).size).toBeGreaterThan(4 * MiB);
  expect(statSync(path).blocks * 512).toBeLessThanOrEqual(256 * 1024);
  expect(await server.logs('R1', { tail: 1 })).toBe('line 399999\n');
});

function alive(pid = 0): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
