/** Restart policy with real programs: the same run again, never two, whenever the agent dies. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { AgentProcess, isRunning, ScriptedServer, until } from './script.ts';

const cleanups: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of cleanups.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function joined() {
  const server = await ScriptedServer.open();
  const agent = new AgentProcess();
  cleanups.push(server, agent);
  agent.start(server, ['--token', server.token]);
  await until('hello', () => server.link);
  const witness = join(agent.root, 'witness');
  const lines = (): string[] => readFileSync(witness, 'utf8').trimEnd().split('\n');
  return { server, agent, witness, lines };
}

const quick = { backoffMinMs: 20, backoffMaxMs: 60 };

test('restarts in a row are used up: failed, with the code, the reason and the last words', async () => {
  const { server, witness, lines } = await joined();
  const script = `echo $LOTC_RUN $LOTC_RESTARTS >> ${witness}; echo no config >&2; exit 3`;
  const spec = { command: ['/bin/sh', '-c', script], restart: 'on-failure', maxRestarts: 3 };
  await server.start(1, 'R1', spec.command, { task: 't', spec: { ...spec, ...quick } });
  const row = await server.state('R1', 'failed');
  expect(row).toMatchObject({ exitCode: 3, restarts: 3 });
  expect(row.reason).not.toMatch(/no config.*no config/);
  expect(row.reason).toMatch(
    /exited with code 3 after it was restarted 3 times in a row.*no config/,
  );
  expect(lines()).toEqual(['R1', 'R1 1', 'R1 2', 'R1 3']);
  const waits = server.rows('R1').filter(({ processState }) => processState === 'pending');
  expect(waits.at(-1)?.reason).toMatch(/^restarts in .* s: exited with code 3$/);
}, 30_000);

test('always: killed, it lives again in its run, with its files; stopped, it stays down', async () => {
  const { server, agent } = await joined();
  const command = ['/bin/sh', '-c', 'test -e there && exec sleep 556; touch there; exec sleep 555'];
  const spec = { command, restart: 'always', ...quick };
  await server.start(1, 'R1', command, { task: 't', spec });
  const first = agent.saw((await server.state('R1', 'running')).pid);
  await until('its file', () => existsSync(join(agent.data, 'runs/R1/work/there')));
  process.kill(first, 'SIGKILL');
  const again = await until('the second launch', () =>
    server.rows('R1').find((row) => row.processState === 'running' && row.restarts === 1),
  );
  const second = agent.saw(again.pid);
  expect(second).not.toBe(first);
  await until(
    'its files',
    () => readFileSync(`/proc/${second}/cmdline`, 'utf8') === 'sleep\x00556\x00',
  );
  await server.order(2, 'stop', 'R1');
  expect(await server.state('R1', 'exited')).toMatchObject({ signal: 'SIGTERM', restarts: 1 });
  expect(isRunning(second)).toBe(false);
}, 30_000);

test('a crash loop goes on over 8 kills of the agent: each launch once, in order', async () => {
  const { server, agent, witness, lines } = await joined();
  const script = `echo $LOTC_RESTARTS >> ${witness}; exit 1`;
  const command = ['/bin/sh', '-c', script];
  const spec = { command, restart: 'on-failure', backoffMinMs: 5, backoffMaxMs: 15 };
  await server.start(1, 'R1', command, { task: 't', spec });
  for (let n = 0; n < 8; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, (n * 37) % 60));
    await agent.kill();
    const before = server.hellos.length;
    agent.start(server);
    await until('another hello', () => server.hellos.length > before);
  }
  await server.order(2, 'stop', 'R1');
  const row = await until('its end', () =>
    server.rows('R1').find(({ processState }) => ['exited', 'failed'].includes(processState)),
  );
  // Stopped while it was being launched once more, nothing of that launch ever ran.
  if (row.processState === 'failed') expect(row.reason).toBe('cancelled');
  const seen = lines();
  expect(seen).toEqual(seen.map((_, n) => (n === 0 ? '' : String(n))));
  expect(row.restarts).toBeGreaterThanOrEqual(seen.length - 1);
  expect(row.restarts).toBeLessThanOrEqual(seen.length);
}, 180_000);
