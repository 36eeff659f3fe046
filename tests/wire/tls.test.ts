/**
 * The door and who knocks on it, with real TLS on ::1 and 127.0.0.1: who gets in, who does not,
 * what it costs, and what the one who dials is told. Every port is free, everything is closed.
 */
import { spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer as createTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ConnectionOptions, connect as connectTls, createServer as createTls } from 'node:tls';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { limits } from '../../src/base/limits.ts';
import { parseAddress } from '../../src/net/address.ts';
import { issueKeyPair, type KeyPair, makeAuthority } from '../../src/net/certificate.io.ts';
import { type DialOptions, dial, probeAuthority } from '../../src/net/dial.io.ts';
import { type Caller, type Listener, type ListenOptions, listen } from '../../src/net/listen.io.ts';
import { interleave } from '../../src/net/race.io.ts';
import { Tally } from '../../src/net/tally.ts';
import { spkiOf } from '../../src/net/token.ts';

interface Fleet {
  readonly authority: KeyPair;
  readonly server: KeyPair;
  readonly agent: KeyPair;
}

async function makeFleet(fleet: string): Promise<Fleet> {
  const authority = await makeAuthority(fleet);
  const server = await issueKeyPair(authority, { fleet, role: 'server', name: 'main' });
  const agent = await issueKeyPair(authority, { fleet, role: 'agent', name: 'n1' });
  return { authority, server, agent };
}

let ours: Fleet;
let theirs: Fleet;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  ours = await makeFleet('f1');
  theirs = await makeFleet('f2');
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Opened {
  readonly listener: Listener;
  readonly callers: Caller[];
  readonly lines: string[];
  /** The n-th caller, once it is there. */
  readonly caller: (index: number) => Promise<Caller>;
}

const serverOf = ({ authority, server }: Fleet) => ({
  authority: authority.certificate,
  certificate: server.certificate,
  key: server.key,
});

const both = ['[::1]:0', '127.0.0.1:0'];

async function open(options: Partial<ListenOptions> = {}): Promise<Opened> {
  const callers: Caller[] = [];
  const lines: string[] = [];
  const arrivals: (() => void)[] = [];
  const listener = await listen({
    listen: both,
    credentials: serverOf(ours),
    log: (_, text) => void lines.push(text),
    onSocket: (caller) => {
      callers.push(caller);
      for (const tell of arrivals.splice(0)) tell();
    },
    ...options,
  });
  cleanups.push(async () => {
    for (const { socket } of callers) socket.destroy();
    await listener.close();
  });
  const caller = async (index: number): Promise<Caller> => {
    while (!callers[index]) await new Promise<void>((resolve) => void arrivals.push(resolve));
    return callers[index];
  };
  return { listener, callers, lines, caller };
}

const agentOf = ({ authority, agent }: Fleet, fleet: string) => ({
  authority: authority.certificate,
  certificate: agent.certificate,
  key: agent.key,
  fleet,
});

async function knock(options: Partial<DialOptions> & Pick<DialOptions, 'servers'>) {
  const dialled = await dial({ credentials: agentOf(ours, 'f1'), ...options });
  cleanups.push(() => dialled.socket.destroy());
  return dialled;
}

/** A client that is not LOTC's, and how it ends. */
function stranger(address: string, options: ConnectionOptions = {}) {
  const socket = connectTls({
    ...parseAddress(address),
    rejectUnauthorized: false,
    ALPNProtocols: ['lotc/2'],
    ...options,
  });
  cleanups.push(() => socket.destroy());
  return socket;
}

function raw(address: string, bytes?: Uint8Array | string): Socket {
  const socket = connectTcp(parseAddress(address));
  socket.on('error', () => undefined);
  if (bytes !== undefined) socket.on('connect', () => socket.write(bytes));
  cleanups.push(() => socket.destroy());
  return socket;
}

async function ended(socket: Socket): Promise<{ error?: string | undefined; ms: number }> {
  const begunMs = performance.now();
  let error: string | undefined;
  socket.on('error', (one: NodeJS.ErrnoException) => {
    error = one.code;
  });
  socket.resume();
  // Not events.once: it rejects with the error that comes first.
  await new Promise((resolve) => void socket.once('close', resolve));
  return { error, ms: performance.now() - begunMs };
}

/** A port nobody listens on. */
async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => void setTimeout(resolve, 5));
};

test.each([0, 1])('both families connect, port 0 is one port (%i)', async (family) => {
  const { listener, caller } = await open();
  const [v6 = '', v4 = ''] = listener.addresses;
  expect(parseAddress(v4).port).toBe(parseAddress(v6).port);
  const { socket, address } = await knock({ servers: [listener.addresses[family] ?? ''] });
  expect(address).toBe(listener.addresses[family]);
  const met = await caller(0);
  expect(met.spki).toBe(spkiOf(new X509Certificate(ours.agent.certificate).publicKey));
  expect(met).toMatchObject({ authorized: true, plaintext: false });
  expect(met.address).toMatch(family === 0 ? /^\[::1\]:\d+$/u : /^127\.0\.0\.1:\d+$/u);
  met.socket.write('hello');
  expect(String(await once(socket, 'data'))).toBe('hello');
});

test('a dual-stack listener shows IPv4 as IPv4, and a name is looked up', async () => {
  const { listener, caller } = await open({ listen: [':0'] });
  expect(listener.addresses).toEqual([expect.stringMatching(/^\[::\]:\d+$/u)]);
  const { port } = parseAddress(listener.addresses[0] ?? '');
  await knock({ servers: [`127.0.0.1:${port}`] });
  expect((await caller(0)).address).toMatch(/^127\.0\.0\.1:\d+$/u);
  const { address } = await knock({ servers: [`localhost:${port}`] });
  expect(address).toMatch(/^(?:127\.0\.0\.1|\[::1\]):/u);
  await knock({ servers: [`:${port}`] });
});

test('[::] and 0.0.0.0 side by side', async () => {
  const { listener } = await open({ listen: ['[::]:0', '0.0.0.0:0'] });
  const ports = listener.addresses.map((text) => parseAddress(text).port);
  expect(new Set(ports).size).toBe(1);
  expect(listener.addresses).toHaveLength(2);
});

test('a certificate of another CA is shown to the caller as not authorized', async () => {
  const { listener, caller } = await open();
  const credentials = { ...agentOf(theirs, 'f1'), authority: ours.authority.certificate };
  await knock({ servers: listener.addresses, credentials });
  expect((await caller(0)).authorized).toBe(false);
});

test('TLS 1.2 is refused', async () => {
  const { listener, callers } = await open();
  const socket = stranger(listener.addresses[0] ?? '', { maxVersion: 'TLSv1.2' });
  expect((await ended(socket)).error).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  expect(callers).toEqual([]);
});

test('without a client certificate nothing is read', async () => {
  const { listener, callers } = await open();
  const socket = stranger(listener.addresses[0] ?? '');
  socket.write('LOTC');
  await ended(socket);
  expect(callers).toEqual([]);
});

test.each([['http/1.1'], []])(
  'another protocol inside TLS, or none, is refused: %s',
  async (...ALPNProtocols) => {
    const { listener, callers } = await open();
    const own = { cert: ours.agent.certificate, key: ours.agent.key };
    await ended(stranger(listener.addresses[0] ?? '', { ...own, ALPNProtocols }));
    expect(callers).toEqual([]);
  },
);

test('a session is never resumed', async () => {
  const { listener, caller } = await open();
  const options = {
    cert: ours.agent.certificate,
    key: ours.agent.key,
    ca: ours.authority.certificate,
  };
  const first = stranger(listener.addresses[0] ?? '', options);
  const sessions: Buffer[] = [];
  first.on('session', (session) => sessions.push(session));
  (await caller(0)).socket.write('x');
  await once(first, 'data');
  const session = sessions.at(-1) ?? first.getSession();
  expect(session).toBeDefined();
  first.destroy();
  const second = stranger(listener.addresses[0] ?? '', { ...options, session });
  const met = await caller(1);
  expect(second.isSessionReused()).toBe(false);
  expect((met.socket as typeof second).isSessionReused()).toBe(false);
  expect(met.spki).toBeDefined();
});

test.each([
  ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['an SSH banner', 'SSH-2.0-OpenSSH_9.9\r\n'],
  ['a plain frame', Buffer.concat([Buffer.from('LOTC'), Buffer.alloc(16)])],
  ['noise', Buffer.alloc(100_000, 0x5a)],
])('%s is closed and costs one line', async (_, bytes) => {
  const { listener, callers, lines } = await open();
  await ended(raw(listener.addresses[0] ?? '', bytes));
  await ended(raw(listener.addresses[0] ?? '', bytes));
  await until(() => lines.length > 0);
  expect(lines).toEqual([expect.stringContaining('refused a connection from ::1')]);
  expect(callers).toEqual([]);
});

test('silence, a slow ClientHello and a stop half-way end at the handshake limit', async () => {
  const { listener, lines } = await open({ handshakeMs: 300 });
  const address = listener.addresses[0] ?? '';
  const slow = raw(address);
  const hello = Buffer.from('16030100ff010000fb0303', 'hex');
  let sent = 0;
  const drip = setInterval(
    () => slow.write(hello.subarray(sent++ % 11, ((sent - 1) % 11) + 1)),
    40,
  );
  cleanups.push(() => clearInterval(drip));
  for (const { ms } of await Promise.all([raw(address), slow, raw(address, hello)].map(ended))) {
    expect(ms).toBeGreaterThan(200);
    expect(ms).toBeLessThan(1_500);
  }
  expect(lines).toHaveLength(1);
});

test('silent strangers beyond the total make room, and a console gets in at once', async () => {
  const { listener, caller } = await open();
  const address = listener.addresses[0] ?? '';
  const crowd = Array.from({ length: limits.unauthenticatedSockets + 50 }, () => raw(address));
  await Promise.all(crowd.map((socket) => once(socket, 'connect')));
  const begunMs = performance.now();
  await knock({ servers: [address] });
  await caller(0);
  expect(performance.now() - begunMs).toBeLessThan(1_000);
});

test('other CA, other fleet, or no server: wrong-server', async () => {
  const { listener } = await open();
  const servers = listener.addresses;
  const wrong = { code: 'wrong-server', exitCode: 6 };
  await expect(knock({ servers, credentials: agentOf(theirs, 'f2') })).rejects.toMatchObject(wrong);
  await expect(knock({ servers, credentials: agentOf(ours, 'f3') })).rejects.toMatchObject(wrong);
  const rogue = await open({
    credentials: { ...serverOf(ours), certificate: ours.agent.certificate, key: ours.agent.key },
  });
  await expect(knock({ servers: rogue.listener.addresses })).rejects.toMatchObject(wrong);
});

test('before the fleet is known any server of the CA will do, but only a server', async () => {
  const { listener, caller } = await open();
  const credentials = agentOf(ours, '');
  await knock({ servers: listener.addresses, credentials });
  expect((await caller(0)).authorized).toBe(true);
  const rogue = await open({
    credentials: { ...serverOf(ours), certificate: ours.agent.certificate, key: ours.agent.key },
  });
  const servers = rogue.listener.addresses;
  await expect(knock({ servers, credentials })).rejects.toMatchObject({ code: 'wrong-server' });
});

test('unreachable names every address and its reason', async () => {
  const port = await freePort();
  const error = await knock({ servers: [`[::1]:${port}`, `127.0.0.1:${port}`] }).catch(
    (one) => one,
  );
  expect(error).toMatchObject({ code: 'unreachable', exitCode: 5 });
  expect(error.message).toContain(`[::1]:${port}: connection refused`);
  expect(error.message).toContain(`127.0.0.1:${port}: connection refused`);
  await expect(knock({ servers: ['no-such-host.invalid:1'] })).rejects.toThrow(
    /no-such-host\.invalid:1: /u,
  );
});

test('of several servers the one that lives is found, also behind one that is silent', async () => {
  const { listener } = await open();
  const silent = createTcp().listen(0, '::1');
  const held: Socket[] = [];
  silent.on('connection', (socket) => void held.push(socket.resume()));
  await once(silent, 'listening');
  cleanups.push(() => {
    for (const socket of held) socket.destroy();
    silent.close();
  });
  const { port } = silent.address() as { port: number };
  const servers = [`[::1]:${await freePort()}`, `[::1]:${port}`, listener.addresses[1] ?? ''];
  const begunMs = performance.now();
  const { address } = await knock({ servers });
  expect(address).toBe(listener.addresses[1]);
  expect(performance.now() - begunMs).toBeLessThan(2_000);
  await until(() => held.every(({ destroyed, readableEnded }) => destroyed || readableEnded));

  const timeout = knock({ servers: [`[::1]:${port}`], timeoutMs: 200 });
  await expect(timeout).rejects.toThrow(`[::1]:${port}: no answer in 0.2 s`);
  const controller = new AbortController();
  const cancelled = knock({ servers: [`[::1]:${port}`], signal: controller.signal });
  controller.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
});

test('a server that is not LOTC is unreachable, not another fleet', async () => {
  const plain = createTcp((socket) => void socket.end('SSH-2.0-x\r\n')).listen(0, '::1');
  const old = createTls({ cert: ours.server.certificate, key: ours.server.key });
  old.on('tlsClientError', () => undefined);
  old.listen(0, '::1');
  await Promise.all([once(plain, 'listening'), once(old, 'listening')]);
  cleanups.push(
    () => plain.close(),
    () => old.close(),
  );
  for (const [server, reason] of [
    [plain, 'does not speak TLS'],
    [old, 'does not speak lotc/2'],
  ] as const) {
    const { port } = server.address() as { port: number };
    await expect(knock({ servers: [`[::1]:${port}`] })).rejects.toThrow(
      `[::1]:${port}: ${reason === 'does not speak TLS' ? 'what listens there' : 'it'} ${reason}`,
    );
  }
});

const pinOf = ({ authority }: Fleet): Uint8Array => {
  const { publicKey } = new X509Certificate(authority.certificate);
  return createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest();
};

test('the pin of a token finds its CA, and only its CA', async () => {
  const tally = new Tally();
  const { listener, callers, lines } = await open({ tally });
  expect(await probeAuthority(listener.addresses, pinOf(ours))).toBe(ours.authority.certificate);
  await expect(probeAuthority(listener.addresses, pinOf(theirs))).rejects.toMatchObject({
    code: 'wrong-server',
  });
  const leaf = spkiOf(new X509Certificate(ours.server.certificate).publicKey);
  await expect(probeAuthority(listener.addresses, Buffer.from(leaf, 'hex'))).rejects.toMatchObject({
    code: 'wrong-server',
  });
  expect(callers).toEqual([]);
  expect(lines).toEqual([]);
  // It goes away in the middle: nothing has failed. Older TLS has.
  const socket = stranger(listener.addresses[0] ?? '', { maxVersion: 'TLSv1.2' });
  await ended(socket);
  expect(tally.rows).toEqual([{ text: 'handshakeFailed', count: 1 }]);
});

test('renewed credentials count for the next handshake', async () => {
  const { listener, caller } = await open();
  await knock({ servers: listener.addresses });
  await caller(0);
  listener.renew(serverOf(theirs));
  await expect(knock({ servers: listener.addresses })).rejects.toMatchObject({
    code: 'wrong-server',
  });
  await knock({ servers: listener.addresses, credentials: agentOf(theirs, 'f2') });
  expect((await caller(1)).authorized).toBe(true);
});

test('an address in use is named, and nothing stays open', async () => {
  const { listener } = await open();
  const [taken = ''] = listener.addresses;
  const free = `127.0.0.1:${await freePort()}`;
  const error = await open({ listen: [free, taken] }).catch((one) => one);
  expect(error).toMatchObject({ code: 'io', message: `cannot listen on ${taken}: address in use` });
  expect(error.hint).toContain('ss -ltnp');
  await open({ listen: [free] });
});

test('plaintext: on loopback only, both ways', async () => {
  const usage = { code: 'usage', exitCode: 2 };
  for (const listen of [[], ['[::]:0'], ['127.0.0.1:0', '0.0.0.0:0'], [':0']]) {
    await expect(open({ listen, plaintext: true })).rejects.toMatchObject(usage);
  }
  for (const server of ['192.0.2.7', '[2001:db8::1]:1', 'example.org']) {
    await expect(knock({ servers: [server], plaintext: true })).rejects.toMatchObject(usage);
  }
  const { listener, caller } = await open({ plaintext: true });
  const { socket } = await knock({ servers: listener.addresses, plaintext: true });
  const met = await caller(0);
  expect(met).toMatchObject({ plaintext: true, spki: undefined, authorized: false });
  met.socket.write('hello');
  expect(String(await once(socket, 'data'))).toBe('hello');
});

test('both sides write the secrets of a session, privately', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lotc-keys-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const [one, two] = [join(directory, 'server'), join(directory, 'client')];
  const { listener, caller } = await open({ keylog: one });
  await knock({ servers: listener.addresses, keylog: two });
  await caller(0);
  for (const file of [one, two]) {
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^CLIENT_TRAFFIC_SECRET_0 [\da-f]{64} [\da-f]+$/mu);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  }
});

test('close ends those at the door and leaves the others to the caller', async () => {
  const { listener, caller } = await open();
  const { socket } = await knock({ servers: listener.addresses });
  const met = await caller(0);
  const silent = raw(listener.addresses[0] ?? '');
  await once(silent, 'connect');
  // The connection after it was accepted later: so the silent one is inside by now.
  await knock({ servers: [listener.addresses[0] ?? ''] });
  await caller(1);
  const closed = listener.close();
  await ended(silent);
  expect(met.socket.destroyed).toBe(false);
  met.socket.end();
  (await caller(1)).socket.destroy();
  socket.end();
  await closed;
});

test('out of descriptors: one line, no spin, and who speaks gets in', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lotc-door-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'credentials.json');
  writeFileSync(file, JSON.stringify(serverOf(ours)));
  const fixture = join(import.meta.dirname, 'fixtures/door.ts');
  const command = `ulimit -n 120; exec "${process.execPath}" "${fixture}" "${file}"`;
  const door = spawn('sh', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(async () => {
    door.stdin.end();
    if (door.exitCode === null) await once(door, 'exit');
  });
  const said: { addresses?: string[]; text?: string; in?: boolean; cpuUs?: number }[] = [];
  createInterface(door.stdout).on('line', (line) => said.push(JSON.parse(line)));
  await until(() => said.length > 0);
  const [address = ''] = said[0]?.addresses ?? [];
  const crowd = Array.from({ length: 150 }, () => raw(address));
  await until(() => crowd.some(({ destroyed }) => destroyed));
  const texts = (): string[] => said.flatMap(({ text }) => (text === undefined ? [] : [text]));
  const short = (): number => texts().filter((text) => text.includes('too many open files')).length;
  await until(() => short() > 0);
  const cpuUs = async (): Promise<number> => {
    const seen = said.length;
    door.kill('SIGUSR2');
    await until(() => said.slice(seen).some(({ cpuUs }) => cpuUs !== undefined));
    return said.at(-1)?.cpuUs ?? 0;
  };
  const before = await cpuUs();
  await new Promise((resolve) => void setTimeout(resolve, 300));
  expect((await cpuUs()) - before).toBeLessThan(100_000);
  // The crowd is still there, and silent.
  const { socket } = await knock({ servers: [address] });
  expect(String(await once(socket, 'data'))).toBe('in');
  await until(() => said.some(({ in: reads }) => reads === true));
  // A line a second at most, however many came.
  expect(short()).toBeLessThanOrEqual(2);
  expect(texts().length).toBeLessThanOrEqual(4);
});

test('families take turns', () => {
  expect(interleave(['a', 'b'])).toEqual(['a', 'b']);
  expect(interleave(['::1', '::2', '::3', '1.1.1.1', '::1'])).toEqual([
    '::1',
    '1.1.1.1',
    '::2',
    '::3',
  ]);
  expect(interleave(['1.1.1.1', '2.2.2.2', '::1'])).toEqual(['1.1.1.1', '::1', '2.2.2.2']);
});
