/**
 * Programs that behave in every way a child can, under a real agent, with control groups and
 * without: suspended they stand still, stopped or killed nothing of them is left.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Behave, compileBehave } from '../fixtures/behave.ts';
import { AgentProcess, ScriptedServer, until } from './script.ts';

/** A mount namespace in which no control group can be written: the tree has to be walked. */
const withoutGroups = [
  ...['unshare', '--mount', '/bin/sh', '-c'],
  'for m in /sys/fs/cgroup /sys/fs/cgroup/unified; do mount -o remount,bind,ro $m; done; exec "$@"',
  'sh',
];

/** Each with the number of its processes, where that says something about it. */
const ways: readonly (readonly [way: string, n: number])[] = [
  ...([
    ['plain', 10],
    ['double', 5],
    ['setsid', 5],
    ['group', 5],
    ['deaf', 3],
  ] as const),
  ...([
    ['blocked', 3],
    ['hydra', 5],
    ['selfstop', 3],
    ['orphans', 5],
  ] as const),
  ...([
    ['zombies', 20],
    ['closes', 3],
    ['execs', 50],
    ['renames', 3],
    ['deep', 40],
  ] as const),
  ...([
    ['threads', 8],
    ['headless', 0],
    ['vforks', 0],
    ['terminal', 0],
    ['traces', 0],
  ] as const),
  ...([
    ['spins', 2],
    ['reaps', 4],
    ['space', 3],
    ['sibling', 4],
    ['nowhere', 2],
  ] as const),
  ...([
    ['descriptors', 2],
    ['bare', 1],
    ['groups', 3],
    ['escapes', 3],
    ['nice', 1],
  ] as const),
];

/** What goes on forking while it is ended, or ends by itself. */
const fleeting: readonly (readonly [way: string, n: number])[] = [
  ...([
    ['storm', 2000],
    ['phoenix', 200],
    ['leaves', 5],
    ['escaped', 3],
  ] as const),
];

describe.each([
  ['cgroup', []],
  ['walk', withoutGroups],
] as const)('%s', (kind, before) => {
  let server: ScriptedServer;
  let agent: AgentProcess;
  let behave: Behave;
  let serial = 0;

  beforeAll(async () => {
    behave = compileBehave();
    server = await ScriptedServer.open();
    // Thousands of processes that die at once may keep anybody from the processor for a second.
    server.heartbeatMs = 10_000;
    agent = new AgentProcess();
    agent.start(server, ['--token', server.token], before);
    await until('hello', () => server.link);
    expect(agent.log.includes('trees of processes are walked')).toBe(kind === 'walk');
  });

  afterAll(async () => {
    behave.end();
    await server[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
    behave[Symbol.dispose]();
  });

  afterEach(() => behave.end());

  async function order(verb: string, run: string, more = {}) {
    serial += 1;
    await server.order(serial, verb, run, more);
    return server.answer(serial);
  }

  async function begin(way: string, n: number): Promise<string> {
    serial += 1;
    const run = `R${serial}`;
    const command = [behave.program, way, String(n)];
    await server.start(serial, run, command, { task: `t${serial}` });
    expect(await server.answer(serial)).toMatchObject({ ok: true });
    await until(`${way} ready`, () => existsSync(join(agent.data, 'runs', run, 'work/ready')));
    return run;
  }

  async function nothingLeft(run: string): Promise<void> {
    expect(server.rows(run).at(-1)?.processState).toBe('exited');
    expect(behave.alive()).toEqual([]);
    // Its shim, which ends when nothing is below it.
    const socket = join(agent.data, 'private/s', run);
    await until('the end of its shim', () => !existsSync(socket));
  }

  test.each(ways)(
    '%s %i: suspended it stands still; killed as it is, nothing is left',
    async (way, n) => {
      const run = await begin(way, n);
      expect(await order('suspend', run)).toMatchObject({ ok: true });
      const ticks = behave.cpuTicks();
      const members = behave.alive();
      expect(members.length).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(behave.cpuTicks()).toBe(ticks);
      expect(behave.alive()).toEqual(members);
      expect(await order('kill', run)).toMatchObject({ ok: true });
      await nothingLeft(run);
    },
  );

  test.each(ways)('%s %i: stopped while suspended, nothing is left', async (way, n) => {
    const run = await begin(way, n);
    expect(await order('suspend', run)).toMatchObject({ ok: true });
    expect(await order('stop', run, { stopGraceMs: 150 })).toMatchObject({ ok: true });
    await nothingLeft(run);
  });

  test.each(fleeting)('%s %i: killed, nothing is left', async (way, n) => {
    const run = await begin(way, n);
    const { ok, errorCode } = await order('kill', run);
    // What ends by itself may have been over before.
    expect([ok, errorCode]).toSatisfy(() => ok || way === 'leaves' || way === 'escaped');
    await server.state(run, 'exited');
    await nothingLeft(run);
  });

  test('5,000 processes are killed, and a fork bomb of as many', async () => {
    for (const way of ['plain', 'setsid']) {
      const run = await begin(way, 5000);
      expect(behave.alive()).toHaveLength(5001);
      expect(await order('kill', run)).toMatchObject({ ok: true });
      await nothingLeft(run);
    }
  }, 120_000);
});
