/**
 * Days on which cables, disks, descriptors, strangers and backups go wrong, seen from outside:
 * the executable in namespaces, its exit codes and what is there afterwards.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable, Fleet, finish, type Place, type Result, until } from './fleet.ts';

interface Row {
  readonly run: string;
  readonly task: string;
  readonly node: string;
  readonly state: string;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

const fleets: Fleet[] = [];
function newFleet(): Fleet {
  const fleet = new Fleet();
  fleets.push(fleet);
  return fleet;
}

const ps = (fleet: Fleet, ...words: string[]): Promise<Row[]> =>
  fleet.json<Row[]>(['ps', '--all', ...words]);

const operationState = async (fleet: Fleet, id: string): Promise<string> =>
  (await fleet.json<{ state: string }>(['operation', 'show', id])).state;

/** Lines that a script writes to a file of the test's, as many as it ran. */
const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];

describe('a node whose cable is pulled', () => {
  let fleet: Fleet;
  let place: Place;
  beforeAll(async () => {
    fleet = newFleet();
    await fleet.server();
    await fleet.agent('n1', 'both', ['--heartbeat', '1s']);
    place = fleet.place('n1');
    await fleet.online('n1');
    for (const name of ['long', 'other', 'later']) {
      await fleet.must(['task', 'create', name, '--', 'sleep', '1000']);
    }
    const never = `echo ran >> ${fleet.path('never')}`;
    await fleet.must(['task', 'create', 'withdrawn', '--', 'sh', '-c', never]);
    await fleet.must(['start', 'long', 'other', '--wait']);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  test('is seen, keeps its orders, and carries them out when it is back', async () => {
    const pulledAtMs = Date.now();
    fleet.cable(place, 'down');
    await until(async () => (await fleet.nodeState('n1')) === 'unresponsive', 10_000);
    interface Event {
      readonly kind: string;
      readonly at: string;
    }
    const events = await fleet.json<Event[]>(['events']);
    const seen = events.filter(({ kind }) => kind === 'node-unresponsive').at(-1);
    expect(Date.parse(seen?.at ?? '') - pulledAtMs).toBeLessThanOrEqual(4_000);

    const order = (await fleet.must(['suspend', 'long'])).trim();
    const brief = (await fleet.must(['suspend', 'other', '--expires', '1s'])).trim();
    const withdrawn = (await fleet.must(['start', 'withdrawn'])).trim();
    const waited = await fleet.admin(['start', 'later', '--wait', '--timeout', '3s']);
    expect([7, 124]).toContain(waited.code);
    expect(waited.stderr).toContain('n1');
    await fleet.must(['operation', 'cancel', withdrawn]);
    await until(async () => (await operationState(fleet, brief)) === 'expired', 5_000);
    expect(await operationState(fleet, order)).toBe('accepted');

    fleet.cable(place, 'up');
    await fleet.online('n1');
    await until(async () => (await operationState(fleet, order)) === 'done');
    await fleet.must(['wait', 'later', '--for', 'running', '--timeout', '10s']);
    const rows = new Map((await ps(fleet)).map((row) => [row.task, row.state]));
    expect(rows.get('long')).toBe('suspended');
    expect(rows.get('other')).toBe('running');
    expect(rows.get('later')).toBe('running');
    expect(await operationState(fleet, brief)).toBe('expired');
    expect(await operationState(fleet, withdrawn)).toBe('cancelled');
    expect(linesOf(fleet.path('never'))).toEqual([]);
    expect(['running', 'pending']).not.toContain(rows.get('withdrawn'));
    await fleet.must(['kill', 'long', 'other', 'later', '--wait']);
  });

  test('an order outlives a kill -9 of the server that took it', async () => {
    const server = await replaced(fleet, async () => {
      fleet.cable(place, 'down');
      await until(async () => (await fleet.nodeState('n1')) === 'unresponsive', 10_000);
      return (await fleet.must(['start', 'long'])).trim();
    });
    expect(await operationState(fleet, server.answer)).toBe('accepted');
    fleet.cable(place, 'up');
    await fleet.must(['wait', 'long', '--for', 'running', '--timeout', '40s']);
    expect(await operationState(fleet, server.answer)).toBe('done');
  });
});

/** Does something, kills the server at once, and starts another on its directory. */
async function replaced<T>(fleet: Fleet, act: () => Promise<T>): Promise<{ answer: T }> {
  const answer = await act();
  const { pid } = JSON.parse(readFileSync(fleet.path('server.ready'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`) || isZombie(pid));
  await fleet.server();
  return { answer };
}

const isZombie = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === true;

test('an agent killed while its processes end: exits and output are told as they were', async () => {
  await using fleet = newFleet();
  await fleet.server();
  let agent = await fleet.agent('n1');
  await fleet.online('n1');
  const ends = { zero: 'exit 0', seven: 'exit 7', killed: 'kill -9 $$', lasting: 'sleep 1000' };
  for (const [name, end] of Object.entries(ends)) {
    const script = `i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.03; done; ${end}`;
    await fleet.must(['task', 'create', name, '--', 'sh', '-c', script]);
  }
  await fleet.must(['start', ...Object.keys(ends), '--wait']);
  const before = new Map((await ps(fleet)).map((row) => [row.task, row.pid ?? 0]));
  await agent.stop('SIGKILL');
  const short = ['zero', 'seven', 'killed'].map((name) => before.get(name) ?? 0);
  expect(short.filter((pid) => existsSync(`/proc/${pid}`))).toHaveLength(3);
  await until(() => short.every((pid) => !existsSync(`/proc/${pid}`)), 20_000);
  agent = await fleet.agent('n1');
  await fleet.online('n1');
  await until(async () => (await ps(fleet, '--state', 'exited')).length === 3, 10_000);
  const rows = new Map((await ps(fleet)).map((row) => [row.task, row]));
  expect(rows.get('zero')).toMatchObject({ state: 'exited', exitCode: 0, signal: null });
  expect(rows.get('seven')).toMatchObject({ state: 'exited', exitCode: 7, signal: null });
  expect(rows.get('killed')).toMatchObject({ state: 'exited', exitCode: null, signal: 'SIGKILL' });
  expect(rows.get('lasting')).toMatchObject({ state: 'running', pid: before.get('lasting') });
  const lines = Array.from({ length: 60 }, (_, no) => `line ${no}\n`).join('');
  for (const name of Object.keys(ends)) {
    expect(await fleet.must(['logs', name, '--tail', '1000']), name).toBe(lines);
  }
  for (const [name, code] of Object.entries({ zero: 0, seven: 7, killed: 137 })) {
    expect((await fleet.admin(['wait', name])).code).toBe(code);
  }
}, 60_000);

test('the disk of a node is full while a bundle arrives', async () => {
  await using fleet = newFleet();
  await fleet.server();
  const disk = fleet.tmpfs('a-n1', '40m');
  await fleet.agent('n1');
  await fleet.online('n1');
  const used = (): number => Number(execFileSync('du', ['-sk', disk]).toString().split('\t')[0]);
  const usedBefore = used();
  const load = (name: string): string[] => [
    ...['load', fleet.path(name), '--name', name, '--wait', '--timeout', '30s'],
  ];
  // One is refused before it comes; the other fills the disk in the middle: a page for each byte.
  writeFileSync(fleet.path('large'), randomBytes(60 << 20));
  mkdirSync(fleet.path('many'));
  for (let no = 0; no < 12_000; no += 1) writeFileSync(fleet.path(`many/${no}`), 'x');
  for (const name of ['large', 'many']) {
    const refused = await fleet.admin(load(name));
    expect(refused.code, refused.stderr).toBe(1);
    expect(refused.stderr).toContain('n1');
    expect(refused.stderr).toMatch(/no space left/);
    const bundle = await fleet.json<{ nodes: { state: string }[] }>(['bundle', 'show', name]);
    expect(bundle.nodes[0]?.state).toBe('failed');
    expect(used() - usedBefore, name).toBeLessThan(4_096);
  }
  await fleet.must(['task', 'create', 'still', '--', 'true']);
  await fleet.must(['start', 'still', '--wait']);
  expect((await fleet.admin(['wait', 'still', '--timeout', '10s'])).code).toBe(0);

  fleet.tmpfs('a-n1', '300m');
  await fleet.must(load('large'));
  await fleet.must(['task', 'create', 'sum', '--bundle', 'large', '--', 'sha256sum', 'large']);
  await fleet.must(['start', 'sum', '--wait']);
  expect((await fleet.admin(['wait', 'sum', '--timeout', '20s'])).code).toBe(0);
  const sum = execFileSync('sha256sum', [fleet.path('large')])
    .toString()
    .slice(0, 64);
  expect(await fleet.must(['logs', 'sum'])).toContain(sum);
}, 90_000);

test('the disk of the server is full while commands are journaled', async () => {
  await using fleet = newFleet();
  const disk = fleet.tmpfs('s', '90m');
  const server = await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
  const ballast = `${disk}/ballast`;
  fill(ballast);
  const words = 'x'.repeat(4_000);
  let made = 0;
  let refused: Result | undefined;
  while (!refused && made < 60_000) {
    const names = Array.from({ length: 500 }, (_, no) => `t${made + no}`);
    const lines = names.map((name) => `task create ${name} --env X=${words} -- true\n`).join('');
    const result = await fleet.admin(['batch', '-o', 'name'], { stdin: lines });
    made += result.stdout.split('\n').filter(Boolean).length;
    fill(ballast);
    if (result.code !== 0) refused = result;
  }
  expect(refused).toMatchObject({ code: 8 });
  expect(refused?.stderr).toMatch(/space|full/);
  expect(server.alive).toBe(true);
  expect(await fleet.json(['ps'])).toEqual([]);
  expect(await fleet.json<unknown[]>(['task', 'ls'])).toHaveLength(made);
  expect((await fleet.admin(['task', 'create', 'more', '--', 'true'])).code).toBe(8);

  rmSync(ballast);
  fleet.tmpfs('s', '400m');
  await until(async () => {
    const { code, stderr } = await fleet.admin(['task', 'create', 'after', '--', 'true']);
    expect([0, 8], stderr).toContain(code);
    return code === 0;
  }, 20_000);
  await fleet.must(['start', 'after', '--wait']);
  await server.stop('SIGKILL');
  await fleet.server();
  expect(await fleet.json<unknown[]>(['task', 'ls'])).toHaveLength(made + 1);
  await fleet.online('n1');
  expect((await fleet.admin(['wait', 'after', '--timeout', '10s'])).code).toBe(0);
}, 120_000);

/** Writes until there is no space. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let bytes = 1 << 20; bytes >= 4_096; bytes >>= 1) {
      try {
        for (;;) writeSync(file, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Runs JavaScript in a place; it prints what it saw. */
const inPlace = (place: Place, script: string, ...args: string[]): Promise<Result> =>
  finish(
    spawn('ip', ['netns', 'exec', place.netns, process.execPath, '-e', script, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  );

/** Connects, says something, and tells after how many ms the other side has closed. */
const stranger = `
const net = require('node:net');
const [host, kind, count] = process.argv.slice(1);
const words = {
  garbage: () => require('node:crypto').randomBytes(200),
  ssh: () => 'SSH-2.0-OpenSSH_10.2\\r\\n',
  records: () => Buffer.alloc(1 << 20, Buffer.from([0x16, 3, 3, 0, 0])),
  emptyData: () => Buffer.alloc(1 << 20, Buffer.from([0x17, 3, 3, 0, 0])),
  http: () => 'GET / HTTP/1.1\\r\\nHost: lotc\\r\\n\\r\\n',
  noise: () => require('node:crypto').randomBytes(2 << 20),
  silence: () => undefined,
};
let open = 0;
const one = () => new Promise((resolve) => {
  const socket = net.connect({ host, port: 7416 });
  socket.on('error', () => undefined);
  socket.on('connect', () => {
    open += 1;
    const bytes = words[kind]();
    if (bytes) socket.write(bytes);
  });
  socket.on('close', resolve);
  socket.resume();
});
(async () => {
  const from = Date.now();
  await Promise.all(Array.from({ length: Number(count) }, one));
  console.log(JSON.stringify({ open, ms: Date.now() - from }));
})();`;

const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test('strangers on the port are shown out, and cost nothing', async () => {
  await using fleet = newFleet();
  const server = await fleet.server();
  const place = fleet.place('stranger');
  const { ipv4 = '', ipv6 = '' } = fleet.place('srv');
  const visit = async (kind: string, count: number): Promise<void> => {
    for (const host of [ipv4, ipv6]) {
      const { stdout, stderr } = await inPlace(place, stranger, host, kind, String(count));
      expect(stderr).toBe('');
      const { open, ms } = JSON.parse(stdout) as { open: number; ms: number };
      expect(open, `${kind} to ${host}`).toBe(count);
      expect(ms, `${kind} to ${host}`).toBeLessThan(kind === 'silence' ? 12_000 : 5_000);
    }
  };
  const loud = ['garbage', 'http', 'ssh', 'noise', 'records', 'emptyData'];
  for (const kind of loud) await visit(kind, 8);
  for (let round = 0; round < 3; round += 1) await fleet.must(['ps']);
  const before = residentKiB(server.pid);
  const silent = visit('silence', 8);
  for (const kind of [...loud, 'noise']) {
    const visited = visit(kind, 4);
    await fleet.must(['ps']);
    await visited;
    await sleep(500);
  }
  await silent;
  await fleet.must(['ps']);
  expect(residentKiB(server.pid) - before).toBeLessThan(8_192);
  expect(server.alive).toBe(true);
}, 90_000);

/** Holds many connections from many addresses until its input ends. */
const crowd = `
const net = require('node:net');
const [host, prefix, addresses, each] = process.argv.slice(1);
const sockets = [];
for (let no = 1; no <= Number(addresses); no += 1) {
  for (let count = 0; count < Number(each); count += 1) {
    const localAddress = prefix + (100 + no);
    const socket = net.connect({ host, port: 7416, localAddress });
    socket.on('error', () => undefined);
    sockets.push(socket);
  }
}
process.stdout.write('crowd\\n');
process.stdin.resume().on('end', () => process.exit());`;

test('a server without descriptors left serves who is in, does not spin, and recovers', async () => {
  await using fleet = newFleet();
  const server = await fleet.server('s', ['prlimit', '--nofile=128:128']);
  const place = fleet.place('crowd');
  const { ipv4 = '' } = fleet.place('srv');
  const prefix = (place.ipv4 ?? '').replace(/\d+$/u, '');
  const addresses = 20;
  for (let no = 1; no <= addresses; no += 1) {
    const address = `${prefix}${100 + no}/24`;
    execFileSync('ip', ['-n', place.netns, 'addr', 'add', address, 'dev', 'eth0']);
  }
  const lines = new Lines(fleet);
  await lines.answer('task create before -- true', 'before');
  const script = [process.execPath, '-e', crowd, ipv4, prefix, String(addresses), '15'];
  const child = spawn('ip', ['netns', 'exec', place.netns, ...script], { stdio: 'pipe' });
  try {
    await until(
      () => descriptors(server.pid) > 90,
      5_000,
      () => `${descriptors(server.pid)} open`,
    );
    const cpuBefore = cpuMs(server.pid);
    for (let no = 0; no < 4; no += 1) {
      await lines.answer(`task create during${no} -- true`, `during${no}`);
      await sleep(500);
    }
    expect(cpuMs(server.pid) - cpuBefore).toBeLessThan(1_000);
    expect(descriptors(server.pid)).toBeLessThanOrEqual(128);
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    await ended;
  }
  await lines.answer('task create afterwards -- true', 'afterwards');
  await lines.end();
  await until(async () => (await fleet.admin(['ps'])).code === 0, 15_000);
  expect(await fleet.json<unknown[]>(['task', 'ls'])).toHaveLength(6);
  expect(server.alive).toBe(true);
}, 60_000);

const descriptors = (pid: number): number =>
  Number(execFileSync('bash', ['-c', `ls /proc/${pid}/fd | wc -l`]).toString());

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** A console that is there already: `batch` with its input open. */
class Lines {
  readonly #child;
  #said = '';

  constructor(fleet: Fleet) {
    const place = fleet.place('srv');
    const words = ['netns', 'exec', place.netns, executable, 'admin', 'batch', '-o', 'name'];
    const { PATH = '' } = process.env;
    const env = { PATH, HOME: fleet.directory, LOTC_IDENTITY: fleet.path('s/admin.json') };
    this.#child = spawn('ip', words, { cwd: fleet.directory, env, stdio: 'pipe' });
    this.#child.stdout.on('data', (bytes: Buffer) => (this.#said += bytes.toString()));
    this.#child.stderr.on('data', (bytes: Buffer) => (this.#said += bytes.toString()));
  }

  async answer(line: string, word: string): Promise<void> {
    this.#child.stdin.write(`${line}\n`);
    await until(
      () => this.#said.split('\n').includes(word),
      5_000,
      () => `${line}: ${this.#said}`,
    );
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}

/** `lotc server …` on a data directory. */
const tool = (fleet: Fleet, ...args: string[]): Promise<Result> =>
  finish(
    spawn(executable, ['server', ...args], {
      cwd: fleet.directory,
      env: { PATH: process.env['PATH'] ?? '', HOME: fleet.directory },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  );

describe('a server that goes back in time', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = newFleet();
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const once = (name: string): string[] => [
    ...['task', 'create', name, '--', 'sh', '-c'],
    `echo $LOTC_RUN >> ${fleet.path(`ran-${name}`)}`,
  ];
  const admin = (data: string, ...args: string[]): Promise<Result> =>
    fleet.admin(args, { env: { LOTC_IDENTITY: fleet.path(`${data}/admin.json`) } });

  test('a backup made while it runs, restored into a new directory', async () => {
    const server = await fleet.server();
    await fleet.agent('n1');
    await fleet.online('n1');
    await fleet.must(['task', 'create', 'long', '--', 'sleep', '1000']);
    await fleet.must(once('early'));
    await fleet.must(['start', 'long', 'early', '--wait']);
    await fleet.must(['wait', 'early']);
    const pid = (await ps(fleet, 'long'))[0]?.pid;
    const made = await tool(fleet, 'backup', '--data', 's', '--to', 'b');
    expect(made).toMatchObject({ code: 0 });
    await fleet.must(once('late'));
    await fleet.must(['start', 'early', 'late', '--wait']);
    await fleet.must(['wait', 'late']);
    await until(() => linesOf(fleet.path('ran-early')).length === 2);
    await server.stop();

    const restored = await tool(fleet, 'restore', '--data', 's2', '--from', 'b');
    expect(restored, restored.stderr).toMatchObject({ code: 0 });
    const second = await fleet.server('s2');
    await until(
      async () => (await admin('s2', 'node', 'show', 'n1', '--json')).stdout.includes('"online"'),
      40_000,
    );
    await until(async () => {
      const { stdout } = await admin('s2', 'ps', 'long', '--json');
      return (JSON.parse(stdout) as Row[])[0]?.state === 'running';
    });
    const [long] = JSON.parse((await admin('s2', 'ps', 'long', '--json')).stdout) as Row[];
    expect(long?.pid).toBe(pid);
    expect((await admin('s2', 'task', 'show', 'late')).code).toBe(4);
    await sleep(1_000);
    expect(linesOf(fleet.path('ran-early'))).toHaveLength(2);
    expect(linesOf(fleet.path('ran-late'))).toHaveLength(1);
    expect(await admin('s2', 'start', 'early', '--wait')).toMatchObject({ code: 0 });
    await until(() => linesOf(fleet.path('ran-early')).length === 3);
    expect(new Set(linesOf(fleet.path('ran-early'))).size).toBe(3);
    await second.stop();
  }, 90_000);

  test('an old copy of its directory: read-only, and the error names the way out', async () => {
    cpSync(fleet.path('s2'), fleet.path('old'), { recursive: true, preserveTimestamps: true });
    const server = await fleet.server('s2');
    await until(
      async () => (await admin('s2', 'node', 'show', 'n1', '--json')).stdout.includes('"online"'),
      40_000,
    );
    for (let no = 0; no < 5; no += 1) {
      // One that has not ended yet would be answered with "runs already".
      await admin('s2', 'wait', 'early');
      expect((await admin('s2', 'start', 'early', '--wait')).code).toBe(0);
      await until(() => linesOf(fleet.path('ran-early')).length === 4 + no);
    }
    await server.stop();

    const old = await fleet.server('old');
    let refused: Result | undefined;
    let no = 0;
    await until(async () => {
      no += 1;
      refused = await admin('old', 'task', 'create', `x${no}`, '--', 'true');
      return refused.code !== 0;
    }, 40_000);
    expect(refused).toMatchObject({ code: 8, stdout: '' });
    expect(refused?.stderr).toContain('went back');
    expect(refused?.stderr).toContain('lotc server restore');
    expect(refused?.stderr).toContain('--accept-loss');
    expect((await admin('old', 'ps')).code).toBe(0);
    expect((await admin('old', 'task', 'ls')).code).toBe(0);
    await old.stop();

    expect(await tool(fleet, 'restore', '--data', 'old', '--accept-loss')).toMatchObject({
      code: 0,
    });
    await fleet.server('old');
    await until(
      async () => (await admin('old', 'node', 'show', 'n1', '--json')).stdout.includes('"online"'),
      40_000,
    );
    const runs = linesOf(fleet.path('ran-early')).length;
    await admin('old', 'wait', 'early', '--for', 'gone');
    expect((await admin('old', 'start', 'early', '--wait')).code).toBe(0);
    await until(() => linesOf(fleet.path('ran-early')).length === runs + 1);
    expect(new Set(linesOf(fleet.path('ran-early'))).size).toBe(runs + 1);
  }, 120_000);
});

test('nothing is left: no process, no namespace, no mount, no file', async () => {
  expect(fleets.length).toBeGreaterThan(0);
  await until(
    () => fleets.every((fleet) => fleet.leftovers().length === 0),
    5_000,
    () => JSON.stringify(fleets.map((fleet) => fleet.leftovers())),
  );
});
