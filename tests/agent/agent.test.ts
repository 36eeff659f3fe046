/** The agent as a process, with real programs, against a server that does what the test says. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { errorCodes } from '../../src/base/errors.ts';
import { AgentProcess, isRunning, ScriptedServer, until } from './script.ts';

const cleanups: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of cleanups.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function joined(more: readonly string[] = []) {
  const server = await ScriptedServer.open();
  const agent = new AgentProcess();
  cleanups.push(server, agent);
  agent.start(server, ['--token', server.token, ...more]);
  await until('hello', () => server.link);
  return { server, agent };
}

async function again(server: ScriptedServer, agent: AgentProcess): Promise<void> {
  const before = server.hellos.length;
  agent.start(server);
  await until('another hello', () => server.hellos.length > before);
}

test('joins, says who it is, hides the token, keeps its files private', async () => {
  const { server, agent } = await joined(['--ready-file', 'ready.json']);
  const file = join(process.cwd(), 'ready.json');
  await until('the ready file', () => existsSync(file));
  const ready = JSON.parse(readFileSync(file, 'utf8')) as { event: string };
  execFileSync('rm', [file]);
  expect(ready).toMatchObject({ event: 'ready', node: 'n1' });
  expect(server.hellos[0]).toMatchObject({ role: 'agent', node: 'n1', generation: 0, seq: 0 });
  const line = readFileSync(`/proc/${agent.child?.pid}/cmdline`, 'utf8');
  expect(line).not.toContain('lotc1.');
  expect(statSync(join(agent.data, 'private')).mode & 0o777).toBe(0o700);
  expect(statSync(join(agent.data, 'private/node.key')).mode & 0o777).toBe(0o600);
  expect(agent.log).not.toContain(server.token.slice(6, 30));
  await until('a sample', () => server.samples.length > 1);
  expect(server.samples[0]).toMatchObject({ running: 0 });
  expect(server.samples[0]?.samples[0]?.memoryTotalBytes).toBeGreaterThan(0);
  expect(await agent.kill('SIGTERM')).toBe(0);
  expect(server.byes).toBe(1);
});

test('enrolment: a lost answer is asked for again with the same key; a refusal ends with 6', async () => {
  const server = await ScriptedServer.open('127.0.0.1:0');
  const agent = new AgentProcess();
  cleanups.push(server, agent);
  server.answersLost = 2;
  agent.start(server, ['--token', server.token]);
  await until('hello', () => server.link);
  expect(server.enrolled).toHaveLength(3);
  expect(new Set(server.enrolled).size).toBe(1);
  for (const [code, exit] of [
    ['token-used', 6],
    ['name-taken', 8],
  ] as const) {
    const other = new AgentProcess();
    cleanups.push(other);
    server.refusal = code;
    other.start(server, ['--token', server.token]);
    expect(await other.exit()).toBe(exit);
    expect(other.log).toContain(`no: ${code}`);
  }
  const wrongPin = new AgentProcess();
  cleanups.push(wrongPin);
  const token = `${server.token.split('.').slice(0, 2).join('.')}.${Buffer.alloc(32, 1).toString('base64url')}`;
  wrongPin.start(server, ['--token', token]);
  expect(await wrongPin.exit()).toBe(6);
  const none = new AgentProcess();
  cleanups.push(none);
  none.start(server);
  expect(await none.exit()).toBe(6);
  expect(none.log).toContain('no token was given');
});

test('a start runs and is answered; its code and output are known when it has ended', async () => {
  const { server } = await joined();
  await server.start(1, 'R1', ['/bin/sh', '-c', 'echo out; echo err >&2; pwd; env; exit 7'], {
    env: { GREETING: 'hello' },
  });
  expect(await server.answer(1)).toMatchObject({ ok: true, run: 'R1' });
  expect(await server.state('R1', 'exited')).toMatchObject({ exitCode: 7, task: 'web' });
  const output = await server.logs('R1');
  expect(output).toContain('out\n');
  expect(output).toContain('err\n');
  expect(output).toContain('LOTC_RUN=R1\n');
  expect(output).toContain('GREETING=hello\n');
  expect(output).toContain('/runs/R1/work\n');
  expect(await server.logs('R1', { streams: ['stderr'], tail: 1 })).toBe('err\n');
});

test('what cannot run says why, with errno in words', async () => {
  const { server, agent } = await joined();
  const script = join(agent.root, 'script');
  writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 });
  const plain = join(agent.root, 'plain');
  writeFileSync(plain, 'x', { mode: 0o644 });
  const cases: [string[], object, RegExp][] = [
    [['./nope'], {}, /cannot run \.\/nope: no such file or directory \(ENOENT\)/],
    [[script], {}, /its interpreter is missing/],
    [[plain], {}, /not executable/],
    [['/bin/true'], { user: 'nobody-at-all' }, /user "nobody-at-all" does not exist/],
    [['/bin/true'], { cwd: '/no/such/place' }, /cannot enter the directory \/no\/such\/place/],
  ];
  for (const [index, [command, more, reason]] of cases.entries()) {
    const n = index + 1;
    await server.order(n, 'start', `R${n}`, { task: `t${n}`, spec: { command, ...more } });
    expect(await server.answer(n)).toMatchObject({
      ok: false,
      errorCode: errorCodes['exec-failed'].number,
    });
    const row = await server.state(`R${n}`, 'failed');
    expect(row.reason).toMatch(reason);
  }
});

test('suspend, resume, stop and kill act on the whole tree, setsid and double fork too', async () => {
  const { server, agent } = await joined();
  const script = '(setsid sleep 777 &) ; (sleep 776 & ) ; echo $$; while :; do sleep 0.01; done';
  await server.start(1, 'R1', ['/bin/sh', '-c', script]);
  await server.answer(1);
  const pid = agent.saw((await server.state('R1', 'running')).pid);
  await server.order(2, 'suspend', 'R1');
  expect(await server.answer(2)).toMatchObject({ ok: true });
  await server.state('R1', 'suspended');
  await server.order(3, 'resume', 'R1');
  expect(await server.answer(3)).toMatchObject({ ok: true });
  await server.state('R1', 'running');
  await server.order(4, 'kill', 'R1');
  expect(await server.answer(4)).toMatchObject({ ok: true });
  expect(await server.state('R1', 'exited')).toMatchObject({ signal: 'SIGKILL' });
  expect(isRunning(pid)).toBe(false);
  const sleepers = execFileSync('/bin/sh', ['-c', 'pgrep -fx "sleep 77[67]" || true']).toString();
  expect(sleepers).toBe('');
});

test('a program that ignores TERM gets KILL after its grace; what is left behind gets TERM', async () => {
  const { server, agent } = await joined();
  const deaf = 'trap "" TERM; : >deaf; while :; do sleep 0.01; done';
  await server.start(1, 'R1', ['/bin/sh', '-c', deaf]);
  await server.answer(1);
  agent.saw((await server.state('R1', 'running')).pid);
  await until('it is deaf', () => existsSync(join(agent.data, 'runs/R1/work/deaf')));
  await server.order(2, 'stop', 'R1', { stopGraceMs: 200 });
  expect(await server.answer(2)).toMatchObject({ ok: true });
  expect(await server.state('R1', 'exited')).toMatchObject({
    signal: 'SIGKILL',
    reason: expect.stringContaining('did not end within 0.2 s') as string,
  });
  const left =
    'sh -c "trap \'echo bye; exit 0\' TERM; : >heeds; while :; do sleep 0.01; done" & ' +
    'while [ ! -e heeds ]; do sleep 0.01; done; exit 4';
  await server.order(3, 'start', 'R2', { task: 'b', spec: { command: ['/bin/sh', '-c', left] } });
  expect(await server.state('R2', 'exited')).toMatchObject({ exitCode: 4 });
  expect(await server.logs('R2', { streams: ['stdout'] })).toBe('bye\n');
});

test('kill -9 of the agent: pids go on, codes and output are known to the next one', async () => {
  const { server, agent } = await joined();
  const loop = 'i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.02; done; exit 5';
  await server.start(1, 'R1', ['/bin/sh', '-c', loop]);
  await server.order(2, 'start', 'R2', { task: 'b', spec: { command: ['sleep', '555'] } });
  await server.answer(1);
  await server.answer(2);
  const pid = agent.saw((await server.state('R2', 'running')).pid);
  await server.order(3, 'suspend', 'R2');
  await server.answer(3);
  await agent.kill();
  expect(isRunning(pid)).toBe(true);
  await until('the end of R1 unseen', () =>
    readdirSync(join(agent.data, 'private/runs/R1')).includes('exit'),
  );
  await again(server, agent);
  expect(await server.state('R1', 'exited')).toMatchObject({ exitCode: 5 });
  const lines = (await server.logs('R1')).trimEnd().split('\n');
  expect(lines).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
  expect(server.rows('R2').at(-1)).toMatchObject({ processState: 'suspended', pid });
  await server.order(4, 'resume', 'R2');
  expect(await server.answer(4)).toMatchObject({ ok: true });
  await server.order(5, 'stop', 'R2');
  expect(await server.answer(5)).toMatchObject({ ok: true });
  expect(await server.state('R2', 'exited')).toMatchObject({ signal: 'SIGTERM' });
});

test('an end that nobody saw is lost: kill -9 of the shim, with and without an agent', async () => {
  const { server, agent } = await joined();
  await server.start(1, 'R1', ['sleep', '554']);
  await server.answer(1);
  const first = agent.saw((await server.state('R1', 'running')).pid);
  process.kill(agent.shimOf(first), 'SIGKILL');
  const row = await server.state('R1', 'lost');
  expect(row.reason).toMatch(/the shim died/);
  expect(row.exitCode).toBeUndefined();
  expect(isRunning(first)).toBe(false);
  await server.start(2, 'R2', ['sleep', '553']);
  await server.answer(2);
  const second = agent.saw((await server.state('R2', 'running')).pid);
  const shim = agent.shimOf(second);
  await agent.kill();
  process.kill(shim, 'SIGKILL');
  await again(server, agent);
  expect((await server.state('R2', 'lost')).reason).toMatch(/left behind were killed/);
  expect(isRunning(second)).toBe(false);
});

test('20 kills of the agent at any instant of a start: each run is there once', async () => {
  const { server, agent } = await joined();
  const witness = join(agent.root, 'witness');
  for (let n = 1; n <= 20; n += 1) {
    const run = `R${n}`;
    const command = ['/bin/sh', '-c', `echo ${run} >> ${witness}; exit ${n}`];
    server.start(n, run, command, { task: `t${n}` }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, n * 2 - 2));
    await agent.kill();
    await again(server, agent);
    if (server.hellos.at(-1)?.generation !== n) {
      // The assignment was not durable there: what a server does then is send it again.
      const at = Date.now() * 1000;
      const base = { item: `O${n}/0`, order: `O${n}/0`, entry: 'order', verb: 'start', run, at };
      const order = { ...base, generation: n, task: `t${n}`, spec: { command } };
      await server.link?.request('synAssign', { generation: n, base: n - 1, items: [order] });
    }
    const row = await until(`the end of ${run}`, () => {
      return server.rows(run).find(({ exitedAt }) => exitedAt !== undefined);
    });
    // Only the agent dies here: what it had begun is brought to its end by shim or next agent.
    expect(row).toMatchObject({ processState: 'exited', exitCode: n });
  }
  const seen = readFileSync(witness, 'utf8').trimEnd().split('\n');
  expect(new Set(seen).size).toBe(20);
  expect(seen).toHaveLength(20);
}, 120_000);

test('reports wait for a server that is away and come once', async () => {
  const { server, agent } = await joined();
  const { address } = server;
  await server.start(1, 'R1', ['/bin/sh', '-c', 'sleep 0.4; exit 3']);
  await server.answer(1);
  await server.vanish();
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(agent.child?.exitCode).toBeNull();
  await server.listen(address);
  expect(await server.state('R1', 'exited')).toMatchObject({ exitCode: 3 });
  const seqs = server.reports.map((report) => report.seq);
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
});

test('an enrolled agent that is refused goes on', async () => {
  const { server, agent } = await joined();
  await server.start(1, 'R1', ['sleep', '552']);
  await server.answer(1);
  const pid = agent.saw((await server.state('R1', 'running')).pid);
  server.helloRefusal = 'unauthenticated';
  const { address } = server;
  await server.vanish();
  await server.listen(address);
  await until('the refusal in the log', () => agent.log.includes('the server refuses this node'));
  expect(agent.child?.exitCode).toBeNull();
  expect(isRunning(pid)).toBe(true);
});

test('bundles: fetched, unpacked, run, and gone when nothing needs them', async () => {
  const { server, agent } = await joined();
  const source = join(agent.root, 'code');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'go'), '#!/bin/sh\ncat sub/data; exec sleep 551\n', { mode: 0o755 });
  writeFileSync(join(source, 'sub/data'), 'payload\n');
  const bytes = execFileSync('tar', ['-C', source, '--format=ustar', '-cf', '-', 'go', 'sub']);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  server.content.set(digest, bytes);
  const sizeBytes = bytes.length;
  await server.assign([{ item: 'bundle:b', entry: 'bundle', bundle: 'b', digest, sizeBytes }]);
  await server.start(2, 'R1', ['./go'], { bundle: 'b', digest });
  expect(await server.answer(2)).toMatchObject({ ok: true });
  agent.saw((await server.state('R1', 'running')).pid);
  await until('the payload', async () => (await server.logs('R1')) === 'payload\n');
  const states = (): string[] =>
    server.reports.flatMap(({ bundleState }) => (bundleState ? [bundleState] : []));
  expect(states()).toEqual(['loading', 'loaded']);
  await server.assign([], ['bundle:b']);
  await server.order(4, 'stop', 'R1');
  await server.answer(4);
  await until('removed', () => states().includes('removed'));
  await until('the content gone', () => readdirSync(join(agent.data, 'bundles')).length === 0);
  const bad = `sha256:${'0'.repeat(64)}`;
  server.content.set(bad, bytes);
  const item = { item: 'bundle:x', entry: 'bundle', bundle: 'x', digest: bad, sizeBytes };
  await server.assign([item]);
  await until('failed', () => states().includes('failed'));
});

/** A tar with one large file and a small one, and the item that wants it. */
function largeBundle(server: ScriptedServer, agent: AgentProcess) {
  const source = join(agent.root, 'code');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'large'), randomBytes(9_000_000));
  writeFileSync(join(source, 'small'), 'small\n');
  const bytes = execFileSync('tar', ['-C', source, '-cf', '-', 'small', 'large'], {
    maxBuffer: 1e8,
  });
  const hex = createHash('sha256').update(bytes).digest('hex');
  const digest = `sha256:${hex}`;
  server.content.set(digest, bytes);
  const sizeBytes = bytes.length;
  const item = { item: 'bundle:b', entry: 'bundle', bundle: 'b', digest, sizeBytes };
  const at = (name: string): string => join(agent.data, 'bundles', hex, name);
  return { source, at, item, offer: { digest, sizeBytes, bundle: 'b' } };
}

/** Bytes of unpacked content that are on their way. */
function staged(agent: AgentProcess): number {
  const bundles = join(agent.data, 'bundles');
  const unfinished = readdirSync(bundles).find((name) => name.endsWith('.tmp-unpack'));
  const large = unfinished && join(bundles, unfinished, 'large');
  return large && existsSync(large) ? statSync(large).size : 0;
}

const bundleStates = (server: ScriptedServer): string[] =>
  server.reports.flatMap(({ bundleState }) => (bundleState ? [bundleState] : []));

test('what is offered is fetched at once, told of only when it is wanted, and not twice', async () => {
  const { server, agent } = await joined();
  const { source, at, item, offer } = largeBundle(server, agent);
  await server.link?.request('fileOffer', offer);
  await until('the content', () => existsSync(at('large')));
  await server.link?.request('fileOffer', offer);
  expect(server.reports).toEqual([]);
  await server.assign([item]);
  await until('loaded', () => bundleStates(server).includes('loaded'));
  expect(server.gets).toEqual([0]);
  expect(readFileSync(at('large')).equals(readFileSync(join(source, 'large')))).toBe(true);
});

test('what was offered and never wanted is gone after a restart', async () => {
  const { server, agent } = await joined();
  const { at, offer } = largeBundle(server, agent);
  await server.link?.request('fileOffer', offer);
  await until('the content', () => existsSync(at('large')));
  await agent.kill();
  agent.start(server);
  await until('nothing', () => readdirSync(join(agent.data, 'bundles')).length === 0);
  expect(server.reports).toEqual([]);
});

test.each(['killed', 'cut off'])('half a bundle, agent %s: it goes on there', async (how) => {
  const { server, agent } = await joined();
  const { source, at, item, offer } = largeBundle(server, agent);
  server.contentUpTo = 6_000_000;
  // Offered first, wanted while it is on its way: that is one transfer.
  await server.link?.request('fileOffer', offer);
  await server.assign([item]);
  await until('half of it', () => staged(agent) >= 4_000_000);
  const { address } = server;
  if (how === 'killed') await agent.kill();
  else await server.vanish();
  server.contentUpTo = Number.POSITIVE_INFINITY;
  if (how === 'killed') agent.start(server);
  else await server.listen(address);
  await until('loaded', () => bundleStates(server).includes('loaded'));
  expect(server.gets).toHaveLength(2);
  expect(server.gets[1]).toBeGreaterThanOrEqual(4_000_000);
  expect(readFileSync(at('large')).equals(readFileSync(join(source, 'large')))).toBe(true);
  expect(readdirSync(join(agent.data, 'bundles'))).toHaveLength(1);
});

test('input reaches the program in order, and its end is told', async () => {
  const { server } = await joined();
  await server.start(1, 'R1', ['/bin/sh', '-c', 'cat; echo done'], { stdin: true });
  const data = Buffer.from('a line\n');
  await server.link?.request('retInput', { run: 'R1', data });
  await server.link?.request('retInput', { run: 'R1', data: Buffer.alloc(200_000, 120) });
  await server.link?.request('retInput', { run: 'R1', last: true });
  expect(await server.state('R1', 'exited')).toMatchObject({ exitCode: 0 });
  const output = await server.logs('R1');
  expect(output).toBe(`a line\n${'x'.repeat(200_000)}done\n`);
});

test('logs are followed to the end of the run, within the credit', async () => {
  const { server } = await joined();
  const loop = 'i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.01; done';
  const following = server.start(1, 'R1', ['/bin/sh', '-c', loop]);
  const text = await server.logs('R1', { follow: true });
  await following;
  expect(text.trimEnd().split('\n')).toHaveLength(20);
});

test('--stop-processes stops them first', async () => {
  const { server, agent } = await joined(['--stop-processes']);
  await server.start(1, 'R1', ['sleep', '550']);
  await server.answer(1);
  const pid = agent.saw((await server.state('R1', 'running')).pid);
  expect(await agent.kill('SIGTERM')).toBe(0);
  expect(isRunning(pid)).toBe(false);
  expect(await server.state('R1', 'exited')).toMatchObject({ signal: 'SIGTERM' });
});

test('one agent a directory; a copied directory is refused', async () => {
  const { server, agent } = await joined();
  const second = new AgentProcess();
  cleanups.push(second);
  Object.assign(second, { data: agent.data });
  second.start(server);
  expect(await second.exit()).toBe(1);
  expect(second.log).toContain(`pid ${agent.child?.pid}`);
  await agent.kill('SIGTERM');
  const copy = new AgentProcess();
  cleanups.push(copy);
  await cp(agent.data, copy.data, { recursive: true });
  copy.start(server);
  expect(await copy.exit()).toBe(8);
  expect(copy.log).toContain('is a copy of');
});
