/**
 * What an attacker, a typo or a bad image does to a fleet, each with the answer it gets
 * (docs/SECURITY.md, "Threats"). What needs no executable stands in tests/wire and tests/store.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { issueKeyPair, makeAuthority } from '../../src/net/certificate.io.ts';
import { executable, Fleet, finish, type Result, type Role, until } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
});
afterAll(() => fleet[Symbol.asyncDispose]());

const token = async (...more: string[]): Promise<string> =>
  (await fleet.must(['token', 'create', '--role', 'agent', '-o', 'name', ...more])).trim();

let directories = 0;

/** An agent on a fresh directory in a place of its own. */
function join(name: string, secret: string | undefined, ...more: string[]): Role {
  directories += 1;
  const place = fleet.place('stranger');
  const data = fleet.path(`x${directories}`);
  const args = ['agent', '--data', data, '--name', name, ...fleet.serverArgs(place), ...more];
  return fleet.start(place, secret === undefined ? args : [...args, '--token', secret]);
}

async function refused(role: Role, code: number, ...words: string[]): Promise<void> {
  expect([await role.ended(), role.text()]).toEqual([code, expect.anything()]);
  for (const word of words) expect(role.text()).toContain(word);
}

const nodes = async (): Promise<string[]> =>
  (await fleet.json<{ name: string }[]>(['nodes'])).map(({ name }) => name);

/** Another secret, or the hash of another CA, in an otherwise good token. */
function forged(good: string, part: 'secret' | 'pin'): string {
  const [kind, secret = '', pin = ''] = good.split('.');
  const other = (text: string): string =>
    Buffer.alloc(text === secret ? 20 : 32, 9).toString('base64url');
  return [kind, part === 'secret' ? other(secret) : secret, part === 'pin' ? other(pin) : pin].join(
    '.',
  );
}

test('no token, a wrong secret, a wrong pin: 6, and no node', async () => {
  await refused(join('x', undefined), 6, 'lotc admin token create');
  const good = await token();
  await refused(join('x', forged(good, 'secret')), 6);
  await refused(join('x', forged(good, 'pin')), 6, 'not the one this token is for');
  expect(await nodes()).toEqual(['n1']);
});

test('a token that has expired, was used, or is for another name: 6, and why', async () => {
  const short = await token('--ttl', '1s');
  await sleep(1_500);
  await refused(join('x', short), 6, 'expired');
  const once = await token();
  const first = join('once', once);
  await fleet.online('once');
  await refused(join('twice', once), 6, 'used', 'by node once');
  await refused(join('other', await token('--name', 'bound')), 6, 'bound');
  await first.stop();
  expect(await nodes()).toEqual(['n1', 'once']);
});

test('two race for one use: one of them is a node, every time', async () => {
  for (const round of [1, 2, 3]) {
    const secret = await token();
    const roles = ['p', 'q'].map((name) => join(`${name}${round}`, secret));
    await until(() => roles.some(({ alive }) => !alive));
    const joined = roles.filter(({ alive }) => alive);
    expect(joined).toHaveLength(1);
    expect(roles.find(({ alive }) => !alive)?.child.exitCode).toBe(6);
    for (const role of joined) await role.stop();
  }
});

test('names and tokens that are none: 2, and nobody is connected to', async () => {
  let connections = 0;
  const listener = createServer(() => (connections += 1)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const ends = async (name: string, secret: string): Promise<number | null> => {
    directories += 1;
    const args = ['agent', '--data', fleet.path(`x${directories}`), '--name', name];
    const child = spawn(executable, [...args, '--token', secret, '--server', `127.0.0.1:${port}`]);
    return (await finish(child)).code;
  };
  const good = await token();
  for (const name of ['', '-x', '../x', 'a/b', 'a'.repeat(300), 'x\n', '@all', 'UPPER', 'a..b'])
    expect([name, await ends(name, good)]).toEqual([name, 2]);
  const none = ['x', 'lotc1', good.slice(0, -1), good.replace(/.$/u, '!'), `${good}x`, 'K10::x'];
  for (const text of [...none, good.toLowerCase(), good.slice(0, 40)])
    expect([text, await ends('x', text)]).toEqual([text, 2]);
  expect(connections).toBe(0);
  listener.close();
});

test('a server that is not the pinned one hears not a byte: 6', async () => {
  const authority = await makeAuthority('another');
  const own = await issueKeyPair(authority, { fleet: 'another', role: 'server', name: 'main' });
  let [connections, bytes] = [0, 0];
  const server = tls.createServer(
    {
      key: own.key,
      cert: own.certificate + authority.certificate,
      ALPNProtocols: ['lotc/2'],
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      socket.on('data', (data: Buffer) => (bytes += data.length)).on('error', () => undefined);
    },
  );
  server.on('connection', () => (connections += 1)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const where = ['--server', `127.0.0.1:${port}`, '--token', await token()];
  const agent = ['agent', '--data', fleet.path('pinned'), '--name', 'x', ...where];
  const login = ['admin', 'login', '--name', 'x', '--identity', fleet.path('x.json'), ...where];
  for (const words of [agent, login]) {
    const { code, stderr } = await finish(spawn(executable, words));
    expect([code, stderr]).toEqual([
      6,
      expect.stringMatching(/not the one (this token is for|the token names)/),
    ]);
  }
  expect(connections).toBeGreaterThanOrEqual(2);
  expect(bytes).toBe(0);
  server.close();
});

test('the name of another node: 8, whether that lives or is away', async () => {
  await refused(join('n1', await token()), 8, 'node rm n1');
  await refused(join('once', await token()), 8, 'node rm once');
  expect(await fleet.nodeState('n1')).toBe('online');
});

test('a node whose identity is revoked goes on retrying, and its processes stay', async () => {
  const agent = await fleet.agent('lost');
  await fleet.online('lost');
  await fleet.must(['task', 'create', 'stays', '--on', 'lost', '--', 'sleep', '1000']);
  await fleet.must(['start', 'stays', '--wait']);
  const [row] = await fleet.json<{ pid: number }[]>(['ps', 'stays']);
  await fleet.must(['identity', 'revoke', 'lost']);
  await until(() => agent.text().includes('the server refuses this node'));
  expect(agent.alive).toBe(true);
  expect(readFileSync(`/proc/${row?.pid}/cmdline`, 'utf8')).toContain('sleep');
  expect(await fleet.nodeState('lost')).toBe('unresponsive');
  await agent.stop();
});

test('plaintext is for loopback: 2 at every role', async () => {
  const run = (...words: string[]): Promise<Result> => finish(spawn(executable, words));
  const address = `${fleet.place('srv').ipv4}:7416`;
  const data = fleet.path('plain');
  expect((await run('server', '--data', data, '--plaintext', '--listen', '0.0.0.0:0')).code).toBe(
    2,
  );
  expect((await run('agent', '--data', data, '--plaintext', '--server', address)).code).toBe(2);
  expect((await run('admin', 'ps', '--plaintext', '--server', address)).code).toBe(2);
});

test('a node that has joined serves without TLS on loopback; joining is by TLS alone', async () => {
  const place = fleet.place('srv');
  const address = '127.0.0.1:7500';
  const ready = fleet.path('plain.ready');
  const server = async (...more: string[]): Promise<Role> => {
    rmSync(ready, { force: true });
    const args = ['--data', fleet.path('plain'), '--listen', address, '--ready-file', ready];
    const role = fleet.start(place, ['server', ...args, ...more]);
    await until(() => existsSync(ready));
    return role;
  };
  const agent = (data: string, ...more: string[]): Role => {
    const args = ['--data', fleet.path(data), '--name', 'p1', '--server', address];
    return fleet.start(place, ['agent', ...args, ...more]);
  };
  const env = { LOTC_IDENTITY: fleet.path('plain/admin.json') };
  const create = ['token', 'create', '--role', 'agent', '-o', 'name'];
  const secure = await server();
  const joined = agent('pa', '--token', (await fleet.must(create, { env })).trim());
  const online = async (...words: string[]): Promise<boolean> =>
    (await fleet.admin(['node', 'show', 'p1', '--json', ...words], { env })).stdout.includes(
      '"online"',
    );
  await until(() => online());
  expect(await joined.stop()).toBe(0);
  expect(await secure.stop()).toBe(0);
  const plain = await server('--plaintext');
  const back = agent('pa', '--plaintext');
  const words = ['--plaintext', '--server', address];
  await until(() => online(...words));
  const none = { env: { LOTC_IDENTITY: '/no/such/identity' } };
  expect(await fleet.must(['run', '--on', 'p1', ...words, '--', 'echo', 'open'], none)).toContain(
    'open',
  );
  await refused(agent('pb', '--plaintext'), 2, 'has not joined a fleet yet', '--token');
  expect(await back.stop()).toBe(0);
  expect(await plain.stop()).toBe(0);
});

test('a data directory is private, whatever the umask; one that is not is refused: 1', async () => {
  const place = fleet.place('stranger');
  const data = fleet.path('umask');
  const shell = `umask 000; exec "$@"`;
  const args = ['agent', '--data', data, '--name', 'open', ...fleet.serverArgs(place)];
  const role = fleet.start(place, [...args, '--token', await token()], ['sh', '-c', shell, 'sh']);
  await fleet.online('open');
  expect(statSync(data).mode & 0o777).toBe(0o711);
  expect(statSync(`${data}/private`).mode & 0o777).toBe(0o700);
  await role.stop();
  mkdirSync(fleet.path('wide'));
  chmodSync(fleet.path('wide'), 0o777);
  const wide = ['agent', '--data', fleet.path('wide'), ...fleet.serverArgs(place), '--token', 'x'];
  await refused(fleet.start(place, wide), 1, 'wide');
});

test('a user that does not exist: failed, once', async () => {
  const policy = ['--restart', 'always', '--user', 'no-such-user'];
  await fleet.must(['task', 'create', 'nobody-is', '--on', 'n1', ...policy, '--', 'true']);
  await fleet.admin(['start', 'nobody-is', '--wait']);
  const rows = () =>
    fleet.json<{ state: string; restarts: number; reason: string }[]>(['ps', '--all', 'nobody-is']);
  await until(async () => (await rows()).some(({ reason }) => reason.includes('no-such-user')));
  expect(await rows()).toMatchObject([{ state: 'failed' }]);
  await fleet.must(['task', 'rm', 'nobody-is', '--force']);
});

/** A console at a terminal; what it wrote there. */
const onTerminal = (words: readonly string[]): Promise<Result> => {
  const python = 'import os,pty,sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
  const { netns } = fleet.place('srv');
  const line = ['netns', 'exec', netns, 'python3', '-c', python, executable, 'admin', ...words];
  const env = { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: fleet.path('s/admin.json') };
  return finish(spawn('ip', line, { env: { ...env, TERM: 'xterm', HOME: fleet.directory } }));
};

/** Moves the cursor, sets the title, clears, hides what follows; C1, and right-to-left. */
const HOSTILE = '\\033]0;owned\\007\\033[2J\\033[8m\\302\\23331m\\342\\200\\256gnp\\r\\033[1A';
// oxlint-disable-next-line no-control-regex
const OBEYED = /[\u001b\u0007\u009b\u202e]/;

test('what programs print, are called and fail with is shown on a terminal, not obeyed', async () => {
  const program = `printf '${HOSTILE}out\\n'; printf '${HOSTILE}err\\n' >&2; exit 3`;
  await fleet.must(['task', 'create', 'rude', '--on', 'n1', '--', 'sh', '-c', program]);
  await fleet.must(['start', 'rude', '--wait']);
  await fleet.admin(['wait', 'rude']);
  const screens = [
    ...[['logs', 'rude'], ['ps', '--all', '-o', 'wide'], ['events'], ['events', '--audit']],
    ...[
      ['task', 'show', 'rude'],
      ['task', 'ls'],
      ['task', 'history', 'rude'],
      ['wait', 'rude'],
    ],
    ...[
      ['run', '--on', 'n1', '--', 'sh', '-c', program],
      ['operation', 'ls'],
    ],
    ...[
      ['start', '\u001b[2Jx'],
      ['node', 'show', 'n1\u202e'],
      ['ps', '--on', '\u001b]0;x\u0007'],
    ],
    ['logs', 'rude', '--json'],
  ];
  for (const words of screens) {
    const { stdout } = await onTerminal(words);
    expect([words.slice(0, 2), OBEYED.exec(stdout)?.[0]]).toEqual([words.slice(0, 2), undefined]);
    if (words[0] === 'logs' && words.length === 2) expect(stdout).toContain('\\x1b]0;owned');
  }
  // Asked for, it is what it is; and a pipe gets the bytes.
  expect((await onTerminal(['logs', 'rude', '--raw'])).stdout).toContain('\u001b]0;owned');
  expect(await fleet.must(['logs', 'rude', '--stdout'])).toContain('\u001b]0;owned');
});

/** Connects as fast as it can from many addresses of its own and says nonsense, until told. */
const flood = `
const net = require('node:net');
const [host, count] = process.argv.slice(1);
const noise = Buffer.alloc(600, 0x16);
let made = 0;
const next = () => {
  if (made >= Number(count)) return;
  made += 1;
  const socket = net.connect({ host, port: 7416 }, () => socket.end(noise));
  socket.on('error', () => undefined).on('close', () => setImmediate(next)).resume();
};
for (let lane = 0; lane < 64; lane += 1) next();
process.on('exit', () => process.stdout.write(String(made)));`;

test('thousands of connections of garbage: the server answers its admins all the while', async () => {
  const { netns } = fleet.place('stranger');
  const { ipv6 = '' } = fleet.place('srv');
  const words = ['netns', 'exec', netns, process.execPath, '-e', flood, ipv6, '6000'];
  const flooding = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const flooded = finish(flooding);
  let answers = 0;
  while (flooding.exitCode === null) {
    await fleet.must(['ps', '--timeout', '10s']);
    answers += 1;
  }
  expect((await flooded).stdout).toBe('6000');
  expect(answers).toBeGreaterThan(1);
  expect(await fleet.nodeState('n1')).toBe('online');
}, 120_000);

/** Connects, says nothing, and waits until it is shown out; how long the last was there. */
const silence = `
const net = require('node:net');
const [host, count] = process.argv.slice(1);
const from = Date.now();
const gone = Array.from({ length: Number(count) }, () => new Promise((resolve) => {
  const socket = net.connect({ host, port: 7416 });
  socket.on('error', () => undefined).on('close', resolve).resume();
}));
Promise.all(gone).then(() => process.stdout.write(String(Date.now() - from)));`;

test('two thousand that say nothing: all are shown out, and admins are answered meanwhile', async () => {
  const { netns } = fleet.place('stranger');
  const { ipv4 = '' } = fleet.place('srv');
  const words = ['netns', 'exec', netns, process.execPath, '-e', silence, ipv4, '2000'];
  const silent = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = finish(silent);
  do await fleet.must(['ps', '--timeout', '10s']);
  while (silent.exitCode === null);
  // Ten seconds is the limit of a handshake; a busy machine needs some of its own.
  expect(Number((await ended).stdout)).toBeLessThan(30_000);
  expect(await fleet.nodeState('n1')).toBe('online');
}, 120_000);

test('keys renew themselves, killed or not, and nobody notices', async () => {
  const often = ['--rotate-key', '1s'];
  let agent = await fleet.agent('turns', 'both', often);
  await fleet.online('turns');
  await fleet.must(['task', 'create', 'lasts', '--on', 'turns', '--', 'sleep', '1000']);
  await fleet.must(['start', 'lasts', '--wait']);
  const [before] = await fleet.json<{ pid: number }[]>(['ps', 'lasts']);
  const keys = async (): Promise<string[]> => {
    const rows = await fleet.json<{ name: string; key: string; revoked: boolean }[]>([
      'identity',
      'ls',
    ]);
    return rows.filter(({ name, revoked }) => name === 'turns' && !revoked).map(({ key }) => key);
  };
  const seen = new Set<string>();
  const first = await keys();
  for (let kills = 0; kills < 4; kills += 1) {
    await sleep(600 + kills * 330);
    await agent.stop('SIGKILL');
    agent = await fleet.agent('turns', 'both', often);
    await fleet.online('turns');
    for (const key of await keys()) seen.add(key);
  }
  await until(async () => (await keys()).every((key) => !first.includes(key)), 20_000);
  expect(seen.size).toBeGreaterThan(1);
  expect(await fleet.json(['ps', 'lasts'])).toMatchObject([{ state: 'running', pid: before?.pid }]);
  expect(statSync(fleet.path('a-turns/private/identity.json')).mode & 0o777).toBe(0o600);
  await fleet.must(['kill', 'lasts', '--wait']);
}, 180_000);

test('a fork bomb within --pids: its node answers, and it is ended', async () => {
  const bomb = 'b() { while :; do b & wait; done; }; b & b & b & wait';
  chmodSync(fleet.directory, 0o711);
  // Of a user of its own, every kernel can: of root it takes a controller.
  const bounds = ['--on', 'n1', '--pids', '50', '--user', 'nobody'];
  await fleet.must(['task', 'create', 'bomb', ...bounds, '--', 'bash', '-c', bomb]);
  await fleet.must(['start', 'bomb', '--wait']);
  const [row] = await fleet.json<{ pid: number }[]>(['ps', 'bomb']);
  const pids = (): number => groupSizeOf(row?.pid ?? 0);
  await until(() => pids() >= 20, 30_000);
  for (let no = 0; no < 5; no += 1) {
    await fleet.must(['ping', '--on', 'n1', '--timeout', '10s']);
    await fleet.must(['run', '--on', 'n1', '--timeout', '10s', '--', 'true']);
    expect(pids()).toBeLessThanOrEqual(50);
  }
  await fleet.must(['kill', 'bomb', '--wait', '--timeout', '30s']);
  expect(pids()).toBe(0);
  await fleet.must(['task', 'rm', 'bomb']);
}, 120_000);

/** Processes whose session is that of a run's program. */
function groupSizeOf(session: number): number {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[3]) === session;
    } catch {
      return false;
    }
  }).length;
}

test('consoles that stopped reading a loud log: the server holds little, others are answered', async () => {
  const [server] = fleet.roles('server');
  const mib = (): number => {
    const text = readFileSync(`/proc/${server?.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) / 1024;
  };
  const loud = 'while :; do head -c 1000000 /dev/zero | tr "\\0" "x"; echo; done';
  await fleet.must(['task', 'create', 'loud', '--on', 'n1', '--', 'sh', '-c', loud]);
  await fleet.must(['start', 'loud', '--wait']);
  const before = mib();
  const { netns } = fleet.place('srv');
  const env = { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: fleet.path('s/admin.json') };
  const line = ['netns', 'exec', netns, executable, 'admin', 'logs', 'loud', '-f'];
  const consoles = Array.from({ length: 5 }, () =>
    spawn('ip', line, { env, stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  try {
    for (const { stdout } of consoles) await once(stdout, 'readable');
    for (const console of consoles) console.kill('SIGSTOP');
    // Three times as long as a console may be silent before its line counts as dead.
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
      await fleet.must(['ps', '--timeout', '10s']);
      await fleet.must(['logs', 'loud', '--tail', '1', '--timeout', '10s']);
    }
    expect(mib() - before).toBeLessThan(300);
    expect(await fleet.nodeState('n1')).toBe('online');
  } finally {
    for (const console of consoles) console.kill('SIGKILL');
  }
  await fleet.must(['kill', 'loud', '--wait']);
  await fleet.must(['task', 'rm', 'loud']);
}, 120_000);
