/**
 * Somebody between a console and its server who can read, change, keep, repeat and reorder every
 * byte, and holds whatever certificates he could get: what he may do is to cut the cable.
 */
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { parseAddress } from '../../src/net/address.ts';
import { issueKeyPair, type KeyPair, makeAuthority } from '../../src/net/certificate.io.ts';
import { ALPN, dial } from '../../src/net/dial.io.ts';
import { Link } from '../../src/net/link.io.ts';
import { type Caller, listen } from '../../src/net/listen.io.ts';

interface Fleet {
  readonly authority: KeyPair;
  readonly server: KeyPair;
  readonly console: KeyPair;
  readonly agent: KeyPair;
}

async function makeFleet(fleet: string): Promise<Fleet> {
  const authority = await makeAuthority(fleet);
  const issue = (role: 'server' | 'admin' | 'agent'): Promise<KeyPair> =>
    issueKeyPair(authority, { fleet, role, name: role });
  const [server, console, agent] = [
    await issue('server'),
    await issue('admin'),
    await issue('agent'),
  ];
  return { authority, server, console, agent };
}

let ours: Fleet;
let theirs: Fleet;
let address = '';
const callers: Caller[] = [];
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  ours = await makeFleet('f1');
  theirs = await makeFleet('f2');
  const { authority, server } = ours;
  const listener = await listen({
    listen: ['127.0.0.1:0'],
    credentials: { authority: authority.certificate, ...server },
    log: () => undefined,
    onSocket: (caller) => void callers.push(caller),
  });
  [address = ''] = listener.addresses;
  return () => listener.close();
});

afterEach(async () => {
  for (const { socket } of callers.splice(0)) socket.destroy();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const credentials = () => ({
  ...{ authority: ours.authority.certificate, fleet: 'f1' },
  ...{ certificate: ours.console.certificate, key: ours.console.key },
});

/** Stands in front of the server; `way` is told of both ends of each connection. */
async function relay(way: (client: Socket, server: Socket) => void): Promise<string> {
  const { host, port } = parseAddress(address);
  const sockets: Socket[] = [];
  const door = createServer((client) => {
    const server = connectTcp({ host, port });
    sockets.push(client, server);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
    way(client, server);
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    door.close();
  });
  return `127.0.0.1:${(door.address() as { port: number }).port}`;
}

const through = (server: string) => dial({ servers: [server], credentials: credentials() });

/** Says a word and hears it: both ends are links of the real protocol. */
async function talk(server: string): Promise<string> {
  const before = callers.length;
  const { socket } = await through(server);
  cleanups.push(() => socket.destroy());
  const link = new Link({ socket, side: 'opener' });
  await expect.poll(() => callers.length).toBeGreaterThan(before);
  const caller = callers.at(-1);
  if (!caller) throw new Error('nobody came');
  const other = new Link({ socket: caller.socket, side: 'acceptor' });
  other.handle({
    hello: ({ build }) =>
      other.welcome({ build, features: [], fleet: 'f1', at: 1, heartbeatMs: 5_000 }),
  });
  const welcome = await link.hello({ build: 'b', features: [], role: 'admin', instance: 'i' });
  return welcome.fleet;
}

test('one who only carries bytes learns none of them', async () => {
  const seen: Buffer[] = [];
  const server = await relay((client, upstream) => {
    client.on('data', (bytes: Buffer) => seen.push(bytes));
    upstream.on('data', (bytes: Buffer) => seen.push(bytes));
    client.pipe(upstream);
    upstream.pipe(client);
  });
  expect(await talk(server)).toBe('f1');
  const text = Buffer.concat(seen).toString('latin1');
  for (const word of ['LOTC', 'admin', 'f1/server']) expect(text).not.toContain(word);
});

test.each([
  ['a bit of the hello', 20],
  ['the versions it offers', 120],
  ['something later', 900],
])('a changed byte ends it: %s', async (_, at) => {
  let passed = 0;
  const server = await relay((client, upstream) => {
    client.on('data', (bytes: Buffer) => {
      const copy = Buffer.from(bytes);
      const here = at - passed;
      if (here >= 0 && here < copy.length) copy[here] = (copy[here] ?? 0) ^ 0xff;
      passed += copy.length;
      upstream.write(copy);
    });
    upstream.pipe(client);
  });
  await expect(talk(server)).rejects.toMatchObject({ exitCode: expect.any(Number) as unknown });
});

test('a downgrade to TLS 1.2 is refused by both', async () => {
  const { host, port } = parseAddress(address);
  const old = connectTls({ host, port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
  await expect(once(old, 'secureConnect')).rejects.toMatchObject({
    code: expect.stringContaining('PROTOCOL_VERSION') as unknown,
  });
  const door = createTls({ ...ours.server, cert: ours.server.certificate, maxVersion: 'TLSv1.2' });
  door.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(door, 'listening');
  cleanups.push(() => door.close());
  const server = `127.0.0.1:${(door.address() as { port: number }).port}`;
  await expect(through(server)).rejects.toMatchObject({ exitCode: 5 });
});

test('a session that was recorded and is said again is nothing', async () => {
  const said: Buffer[] = [];
  const server = await relay((client, upstream) => {
    client.on('data', (bytes: Buffer) => said.push(bytes));
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await talk(server);
  const before = callers.length;
  const { host, port } = parseAddress(address);
  const again = connectTcp({ host, port });
  again.on('error', () => undefined).resume();
  for (const bytes of said) again.write(bytes);
  await new Promise((resolve) => again.once('close', resolve));
  expect(callers.length).toBe(before);
});

test('what one says is sent back to him: nothing', async () => {
  const server = await relay((client) => void client.pipe(client));
  await expect(through(server)).rejects.toMatchObject({ exitCode: 5 });
});

test('two sessions spliced: the bytes of one are noise in the other', async () => {
  const ends: [Socket, Socket][] = [];
  const server = await relay((client, upstream) => {
    ends.push([client, upstream]);
    const crossed = (): Socket => (ends.length === 2 ? (ends[0]?.[1] as Socket) : upstream);
    client.on('data', (bytes: Buffer) => {
      if (ends.length === 2 && client === ends[1]?.[0] && talks) crossed().write(bytes);
      else upstream.write(bytes);
    });
    upstream.pipe(client);
  });
  let talks = false;
  await talk(server);
  const first = callers.at(-1)?.socket;
  const { socket } = await through(server);
  cleanups.push(() => socket.destroy());
  talks = true;
  socket.on('error', () => undefined);
  socket.write('LOTC');
  await expect.poll(() => first?.destroyed).toBe(true);
});

test.each(['another CA', 'the certificate of an agent', 'the certificate of a console'])(
  'he plays the server with %s: not a byte is told him',
  async (what) => {
    const own = what === 'another CA' ? theirs.server : undefined;
    const pair = own ?? (what.endsWith('agent') ? ours.agent : ours.console);
    const heard: Buffer[] = [];
    const door = createTls(
      { cert: pair.certificate, key: pair.key, ALPNProtocols: [ALPN], minVersion: 'TLSv1.3' },
      (socket) => void socket.on('data', (bytes: Buffer) => heard.push(bytes)),
    );
    door.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
    await once(door, 'listening');
    cleanups.push(() => door.close());
    const server = `127.0.0.1:${(door.address() as { port: number }).port}`;
    await expect(through(server)).rejects.toMatchObject({ code: 'wrong-server', exitCode: 6 });
    expect(heard).toEqual([]);
  },
);

test.each([
  ['none', []],
  ['http', ['http/1.1', 'h2']],
  ['an older LOTC', ['lotc/1']],
])('another protocol inside TLS (%s) gets nobody in', async (_, ALPNProtocols) => {
  const { host, port } = parseAddress(address);
  const { certificate: cert, key } = ours.console;
  const before = callers.length;
  const socket = connectTls({
    ...{ host, port, cert, key, ALPNProtocols, rejectUnauthorized: false },
    servername: 'admin.example',
  });
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(callers.length).toBe(before);
});
