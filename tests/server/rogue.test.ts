/**
 * Peers with a key that break the rules, against a server of the sources: what they get, and what
 * becomes of everybody else. Each is a peer in this process that says what no program of ours does.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Admin, collect, key, openSession } from '../../bench/rig.ts';
import { LotcError } from '../../src/base/errors.ts';
import { limits } from '../../src/base/limits.ts';
import type { Failure, Shape } from '../../src/net/bodies.ts';
import { encodeFrame } from '../../src/net/codec.ts';
import { dial } from '../../src/net/dial.io.ts';
import { Link } from '../../src/net/link.io.ts';
import type { ArchiveEntry } from '../../src/store/archive.ts';
import { encodeHeader } from '../../src/store/tar-layout.ts';
import { padding } from '../../src/store/tar-reader.ts';
import { finish, type Result, until } from '../e2e/fleet.ts';
import { removeTree } from '../fixtures/remove.ts';
import { enrol, HandNode, makeToken } from './hand-node.ts';
import { adminOf, main, type ServerProcess, startServer } from './server-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'lotc-rogue-'));
const path = (name: string): string => join(directory, name);
let server: ServerProcess;
let own: Admin;
let admin: Link;
/** A node that obeys. */
let good: HandNode;

beforeAll(async () => {
  server = await startServer(directory);
  own = adminOf(directory);
  admin = await openSession(own);
  good = await HandNode.make(admin, own, 'good');
});

afterAll(async () => {
  await good.link.close();
  await admin.close();
  const ended = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  removeTree(directory);
});

const create = (task: string, spec: Partial<Shape<'spec'>> = {}) =>
  admin.request('taskAdd', { key: key(), task, mode: 'create', spec: { command: ['x'], ...spec } });

const verb = (kind: 'taskRun' | 'taskKill', task: string) =>
  admin.request(kind, { key: key(), targets: [task], wait: true });

async function nodeNames(): Promise<string[]> {
  const names: string[] = [];
  await collect(admin, 'nodes', ({ nodes = [] }) => {
    for (const { node = '' } of nodes) names.push(node);
  });
  return names;
}

/** `lotc admin …` from the sources, as the first admin. */
const cli = (...words: string[]): Promise<Result> =>
  finish(
    spawn(process.execPath, [main, 'admin', ...words], {
      cwd: directory,
      env: { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: path('s/admin.json') },
    }),
  );

test('a hundred times two nodes race for one use of a token: one of them joins', async () => {
  const before = await nodeNames();
  const winners: string[] = [];
  for (let round = 0; round < 100; round += 1) {
    const secret = await makeToken(admin);
    const names = [`p${round}`, `q${round}`];
    const tries = await Promise.allSettled(names.map((node) => enrol(own, secret, { node })));
    const lost = tries.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    expect(lost).toHaveLength(1);
    expect(lost[0]).toBeInstanceOf(LotcError);
    expect((lost[0] as LotcError).exitCode).toBe(6);
    winners.push(...names.filter((_, index) => tries[index]?.status === 'fulfilled'));
  }
  expect((await nodeNames()).sort()).toEqual([...before, ...winners].sort());
}, 120_000);

test('what its token says of a node is so, whatever the node would rather be', async () => {
  const secret = await makeToken(admin, { node: 'bound', labels: { zone: 'a' } });
  await expect(enrol(own, secret, { node: 'other' })).rejects.toMatchObject({ exitCode: 6 });
  await expect(
    enrol(own, secret, { node: 'bound', labels: { zone: 'b', rack: '1' } }),
  ).rejects.toMatchObject({ exitCode: 6, message: expect.stringContaining('zone=a') as unknown });
  await enrol(own, secret, { node: 'bound', labels: { rack: '1' } });
  await collect(admin, 'nodes', ({ nodes = [] }) => {
    const labels = nodes.find(({ node }) => node === 'bound')?.labels;
    expect(labels).toEqual({ zone: 'a', rack: '1' });
  });
});

test('a node that asks what an admin may: ERR, in the audit, and its session is over', async () => {
  await create('not-for-nodes', { on: 'good' });
  const rogue = await HandNode.make(admin, own, 'rogue');
  const asked = rogue.link.request('taskRun', { key: key(), targets: ['not-for-nodes'] });
  // In the same breath: what it would be believed, were it still heard.
  const process = { run: 'R1111111111A', processState: 'running', startedAt: 1 };
  const reported = rogue.report({ entry: 'process', process });
  await expect(asked).rejects.toMatchObject({ code: 'not-allowed', exitCode: 6 });
  await expect(reported).rejects.toMatchObject({ code: 'unresponsive' });
  expect(await rogue.link.closed).toMatchObject({ by: 'peer' });
  // It is told before that is in the journal.
  let said: Shape<'audit'>[] = [];
  await until(async () => {
    said = [];
    await collect(admin, 'audit', ({ audits = [] }) => {
      said.push(...audits.filter(({ who }) => who === 'rogue'));
    });
    return said.length > 0;
  });
  expect(said).toMatchObject([{ verb: 'taskRun', targets: ['not-for-nodes'], errorCode: 14 }]);
  const all = { query: 'processes', names: ['not-for-nodes'], all: true };
  const { processes = [] } = await admin.request('retQuery', all);
  expect(processes).toEqual([]);
  // A mistake of another version is not the end of a node.
  expect((await rogue.connect()).after ?? 0).toBe(0);
  await rogue.link.close();
});

test('two hundred thousand pings: the session ends, and a kill beside it is carried out', async () => {
  await create('beside', { on: 'good' });
  await verb('taskRun', 'beside');
  const rogue = await HandNode.make(admin, own, 'loud');
  await rogue.link.close();
  const { credentials, hello: body } = rogue;
  const { socket } = await dial({ servers: own.addresses, credentials });
  const heard: Buffer[] = [];
  socket.on('error', () => undefined);
  const ended = once(socket, 'close');
  socket.on('data', (bytes: Buffer) => heard.push(bytes));
  socket.write(encodeFrame({ kind: 'hostHello', state: 'REQ', id: 1, body }));
  await until(() => heard.length > 0);
  const pings = Array.from({ length: 200_000 }, (_, n) =>
    encodeFrame({ kind: 'ping', state: 'REQ', id: 3 + 2 * n, body: {} }),
  );
  socket.write(Buffer.concat(pings));
  const { answers = [] } = await verb('taskKill', 'beside');
  expect(answers).toMatchObject([{ node: 'good', ok: true }]);
  await ended;
  const text = Buffer.concat(heard).toString('latin1');
  expect(text).toContain('too-many-requests');
  expect(text.split('LOTC').length).toBeLessThan(limits.ownAnswersPerSecond + 10);
  expect(server.text()).toContain('too-many-requests');
});

/** Sends content as a bundle, up to some byte of it; why it was refused. */
const put = (
  link: Link,
  content: Uint8Array,
  upTo = content.length,
  on = '@all',
): Promise<Failure | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Failure | undefined>();
  const sizeBytes = content.length;
  const call = link.ask(
    'filePut',
    { digest: digestOf(content), sizeBytes, bundle: 'half', on },
    {
      ack: ({ offset = 0, credit = 0 }) => {
        const sending = call.send({ offset, sizeBytes, credit });
        const all = sending.write(content.subarray(offset, upTo));
        all.then(() => (upTo < sizeBytes ? undefined : sending.end())).catch(() => undefined);
      },
      ok: () => resolve(undefined),
      fail: resolve,
    },
  );
  return promise;
};

const digestOf = (content: Uint8Array): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

test('revoked in the middle of a push: no half bundle, at the server or at a node', async () => {
  const secret = await makeToken(admin, { role: 'operator', grants: ['define'] });
  const ann = await enrol(own, secret, { role: 'console', identity: 'ann' });
  const pusher = await openSession({ ...ann, addresses: own.addresses });
  const content = randomBytes(8 << 20);
  const outcome = Promise.withResolvers<Failure | 'all of it'>();
  let fetched = 0;
  good.link.onRequest('fileOffer', ({ digest, sizeBytes }, reply) => {
    reply.ok({});
    const handlers = { ok: () => outcome.resolve('all of it'), fail: outcome.resolve };
    const wanted = { digest, offset: 0, credit: limits.creditBytes };
    const call = good.link.ask('fileGet', wanted, handlers);
    const reading = async (): Promise<void> => {
      for await (const part of call.receive({ offset: 0, sizeBytes })) fetched += part.length;
    };
    reading().catch(() => undefined);
  });
  const pushed = put(pusher, content, 4 << 20);
  await until(() => fetched > 0);
  await admin.request('depIdentity', { key: key(), mode: 'revoke', names: ['ann'] });
  expect(await pushed).toMatchObject({ text: expect.stringContaining('revoked') as unknown });
  expect(await pusher.closed).toMatchObject({ by: 'peer' });
  expect(await outcome.promise).toMatchObject({ errorCode: 7 });
  expect(fetched).toBeLessThan(content.length);
  const again = openSession({ ...ann, addresses: own.addresses });
  await expect(again).rejects.toMatchObject({ exitCode: 6 });
  const bundles = async () => (await admin.request('retQuery', { query: 'bundles' })).bundles;
  const blob = path(`s/private/blobs/${digestOf(content).slice('sha256:'.length)}`);
  expect([await bundles(), existsSync(blob)]).toEqual([[], false]);
  // Whoever still may goes on where she was cut off; what counts is whole.
  expect(await put(admin, content, content.length)).toBeUndefined();
  const named = { bundle: 'half', digest: digestOf(content), sizeBytes: content.length };
  await admin.request('fileDef', { key: key(), ...named, on: '@all' });
  expect(await bundles()).toMatchObject([named]);
  expect(digestOf(readFileSync(blob))).toBe(named.digest);
}, 60_000);

const entry = (name: string): ArchiveEntry => ({
  ...{ path: name, kind: 'file', executable: false, size: 4, target: '', source: 0 },
});

function tar(names: readonly string[]): Uint8Array {
  const parts = names.flatMap((name) => [
    encodeHeader(entry(name)),
    Buffer.from('evil'),
    Buffer.alloc(padding(4)),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

test('results of a rogue node that lead out of the directory: 7, and nothing outside', async () => {
  const rogue = await HandNode.make(admin, own, 'liar');
  await create('leaks', { on: 'liar', results: ['out/*'] });
  await verb('taskRun', 'leaks');
  const run = rogue.orders.at(-1)?.run ?? '';
  const hostile = ['../../x', '../../../x', `${directory}/x`, 'a/../../../../x'];
  const content = tar(['out/ok', ...hostile]);
  let offers = 0;
  good.link.onRequest('fileOffer', () => void (offers += 1));
  expect(await put(rogue.link, content, content.length)).toBeUndefined();
  const at = Date.now() * 1_000;
  const process = { run, task: 'leaks', processState: 'exited', exitCode: 0, exitedAt: at };
  const kept = { run, task: 'leaks', digest: digestOf(content), sizeBytes: content.length };
  // It named a bundle and all nodes with it: that is not its to say. An offer would be here now.
  await good.link.request('ping', {});
  expect(offers).toBe(0);
  await rogue.report(
    { entry: 'process', process: { ...process, startedAt: at } },
    { entry: 'kept', kept: { ...kept, files: 1 + hostile.length } },
  );
  const before = readdirSync(directory).sort();
  const { code, stdout, stderr } = await cli('results', 'leaks', '-C', 'out/deep');
  expect([code, stdout.trim()]).toEqual([7, `out/deep/liar/${run}`]);
  for (const name of hostile) expect(stderr).toContain(`not written: ${name}`);
  const found = readdirSync(path('out'), { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile()).map(({ name }) => name);
  expect(files).toEqual(['ok']);
  expect(readdirSync(directory).sort()).toEqual([...before, 'out'].sort());
  await rogue.link.close();
});

test('results of a rogue node for a run that is a path: none are kept, nothing is written', async () => {
  const rogue = await HandNode.make(admin, own, 'climber');
  await create('climbs', { on: 'climber', results: ['out/*'] });
  const content = tar(['authorized_keys']);
  expect(await put(rogue.link, content, content.length)).toBeUndefined();
  const kept = { task: 'climbs', digest: digestOf(content), sizeBytes: content.length, files: 1 };
  await rogue.report({ entry: 'kept', kept: { ...kept, run: '../../../climbed' } });
  const before = readdirSync(directory).sort();
  const { code, stderr } = await cli('results', 'climbs', '--all', '-C', 'into/deep/er');
  expect([code, stderr]).toEqual([4, expect.stringContaining('no result files')]);
  expect(readdirSync(directory).sort()).toEqual(before);
  await rogue.link.close();
});

test('the id of a run that has ended, used again, by its node or another: one row, and the first', async () => {
  const other = await HandNode.make(admin, own, 'thief');
  await create('once', { on: 'good' });
  await verb('taskRun', 'once');
  const run = good.orders.at(-1)?.run ?? '';
  await verb('taskKill', 'once');
  // What has ended is history once another run of it has begun.
  await verb('taskRun', 'once');
  await verb('taskKill', 'once');
  const at = Date.now() * 1_000;
  const said = { run, task: 'once', processState: 'exited', startedAt: at, exitedAt: at };
  for (let no = 0; no < 5; no += 1) {
    await good.report({ entry: 'process', process: { ...said, exitCode: 0 } });
    await other.report({ entry: 'process', process: { ...said, exitCode: 99 } });
  }
  const asked = { query: 'history', task: 'once' };
  const { processes = [] } = await admin.request('retQuery', asked);
  const rows = processes.map((row) => ({
    first: row.run === run,
    node: row.node,
    code: row.exitCode,
  }));
  expect(rows).toHaveLength(2);
  expect(rows).toContainEqual({ first: true, node: 'good', code: 0 });
  expect(rows).toContainEqual({ first: false, node: 'good', code: 0 });
  await other.link.close();
});

test('content that a node is not assigned: the same answer as for what nobody has', async () => {
  const rogue = await HandNode.make(admin, own, 'nosy');
  const content = tar(['secret']);
  expect(await put(admin, content, content.length, 'good')).toBeUndefined();
  const theirs = digestOf(content);
  const named = { bundle: 'theirs', digest: theirs, sizeBytes: content.length };
  await admin.request('fileDef', { key: key(), ...named, on: 'good' });
  const ask = (link: Link, digest: string): Promise<Failure | number> => {
    const { promise, resolve } = Promise.withResolvers<Failure | number>();
    const wanted = { digest, offset: 0, credit: limits.creditBytes };
    const call = link.ask('fileGet', wanted, {
      ack: ({ sizeBytes = 0 }) => resolve(sizeBytes),
      ok: () => undefined,
      fail: resolve,
    });
    call.receive({ offset: 0, sizeBytes: content.length });
    return promise;
  };
  const nobodys = digestOf(Buffer.from('nobody has this'));
  const [refused, unknown] = [await ask(rogue.link, theirs), await ask(rogue.link, nobodys)];
  expect(refused).toMatchObject({ errorCode: 7, text: expect.stringContaining(theirs) as unknown });
  expect(JSON.stringify(refused).replace(theirs, nobodys)).toBe(JSON.stringify(unknown));
  expect(await ask(good.link, theirs)).toBe(content.length);
  await admin.request('fileRm', { key: key(), names: ['theirs'], force: true });
  await rogue.link.close();
});

/** Resident memory of the server, MiB. */
const serverMiB = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) /
  1024;

test('a console that never reads a log costs one window, and nobody else waits', async () => {
  await create('flood', { on: 'good' });
  await verb('taskRun', 'flood');
  // The node sends what it may, without end: only credits hold it back.
  let sent = 0;
  good.link.onRequest('retLog', ({ credit }, reply) => {
    let over = false;
    let may = credit;
    let told = 0;
    const data = randomBytes(16_000);
    const go = (): void => {
      if (over) return;
      for (; told + data.length <= may; told += data.length, sent += data.length)
        reply.more({ stream: 'stdout', data, at: 1, offset: told });
    };
    reply.onDrop(() => void (over = true));
    reply.onCredit((raised) => {
      may = Math.max(may, raised);
      setImmediate(go);
    });
    go();
  });
  const deaf = async (credit: number): Promise<Link> => {
    const { socket } = await dial({ servers: own.addresses, credentials: own });
    const link = new Link({ socket, side: 'opener' });
    const instance = randomBytes(8).toString('hex');
    await link.hello({ build: 'deaf', features: [], role: 'admin', instance });
    const unheard = { ok: () => undefined, fail: () => undefined };
    link.ask('retLog', { targets: ['flood'], follow: true, credit }, unheard);
    // What it asked has left; from now on it reads nothing.
    await until(() => sent > 0);
    socket.pause();
    return link;
  };
  const before = serverMiB();
  const honest = await deaf(limits.creditBytes);
  await until(() => sent > 0 && sent >= limits.creditBytes - 32_000);
  expect(sent).toBeLessThanOrEqual(limits.creditBytes);
  sent = 0;
  // One that promises to read everything: the server holds a queue for it, and no more.
  const greedy = await deaf(2 ** 50);
  let answered = 0;
  await until(async () => {
    await admin.request('retQuery', { query: 'nodes' });
    answered += 1;
    const { tallies = [] } = await admin.request('retQuery', { query: 'limits' });
    return tallies.some(({ text }) => text === 'slow-consumer');
  }, 60_000);
  expect(answered).toBeGreaterThan(1);
  expect(sent).toBeGreaterThan(limits.bulkQueueBytes / 2);
  expect(sent).toBeLessThan(4 * limits.bulkQueueBytes);
  expect(serverMiB() - before).toBeLessThan(500);
  expect((await verb('taskKill', 'flood')).answers).toMatchObject([{ node: 'good', ok: true }]);
  await Promise.all([honest, greedy].map((link) => link.close()));
}, 120_000);

test('one key has so many sessions and no more; others come in, and it is counted', async () => {
  const secret = await makeToken(admin, { role: 'viewer' });
  const vic = await enrol(own, secret, { role: 'console', identity: 'vic' });
  const credentials = { ...vic, addresses: own.addresses };
  const many: Link[] = [];
  const open = async (): Promise<void> => void many.push(await openSession(credentials));
  while (many.length < limits.sessionsPerIdentity)
    await Promise.all(Array.from({ length: 16 }, open));
  await expect(openSession(credentials)).rejects.toMatchObject({ code: 'busy', exitCode: 8 });
  const other = await openSession(own);
  const { tallies = [] } = await other.request('retQuery', { query: 'limits' });
  expect(tallies).toContainEqual({ text: 'sessionsPerIdentity', count: 1 });
  await other.close();
  await many.pop()?.close();
  await until(() => cameIn(credentials));
  await Promise.all(many.map((link) => link.close()));
  const { code, stdout } = await cli('report', '--json');
  const { limits: met } = JSON.parse(stdout) as { limits: Record<string, number> };
  expect([code, met['sessionsPerIdentity']]).toEqual([0, 1]);
}, 120_000);

const cameIn = async (credentials: Admin): Promise<boolean> => {
  const link = await openSession(credentials).catch(() => undefined);
  await link?.close();
  return link !== undefined;
};

test('a flood of readings ends the session of the node that sends it', async () => {
  const rogue = await HandNode.make(admin, own, 'gauge');
  const at = Date.now() * 1_000;
  for (let no = 0; no < 20 * limits.samplesPerSecond && !rogue.link.end; no += 1)
    rogue.link.notify('hostSample', { samples: [{ at }] });
  expect(await rogue.link.closed).toMatchObject({ by: 'peer', fault: 'too-many-requests' });
});
