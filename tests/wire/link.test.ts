/** Links over real sockets, TLS on ::1 and 127.0.0.1: what only a socket can show. */

import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcp, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { LotcError } from '../../src/base/errors.ts';
import { limits } from '../../src/base/limits.ts';
import { issueKeyPair, type KeyPair, makeAuthority } from '../../src/net/certificate.io.ts';
import { dial } from '../../src/net/dial.io.ts';
import type { Reply } from '../../src/net/exchange.ts';
import { Link } from '../../src/net/link.io.ts';
import { listen } from '../../src/net/listen.io.ts';
import type { SessionOptions } from '../../src/net/session-events.ts';

const helloBody = { build: '0', features: [], role: 'agent', instance: 'i' } as const;
const cleanups: (() => unknown)[] = [];
let keys: { readonly authority: KeyPair; readonly server: KeyPair; readonly agent: KeyPair };

beforeAll(async () => {
  const authority = await makeAuthority('f1');
  const server = await issueKeyPair(authority, { fleet: 'f1', role: 'server', name: 'main' });
  const agent = await issueKeyPair(authority, { fleet: 'f1', role: 'agent', name: 'n1' });
  keys = { authority, server, agent };
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Ends {
  readonly opener: Link;
  readonly acceptor: Link;
  readonly sockets: readonly [Socket | TLSSocket, Socket | TLSSocket];
}

async function connect(
  address: string,
  options: Partial<SessionOptions> = {},
): Promise<readonly [Socket | TLSSocket, Socket | TLSSocket, Link]> {
  const arrived = Promise.withResolvers<Socket | TLSSocket>();
  const { authority, server, agent } = keys;
  const listener = await listen({
    listen: [address],
    credentials: { authority: authority.certificate, ...server },
    log: () => undefined,
    onSocket: ({ socket }) => arrived.resolve(socket),
  });
  cleanups.push(() => listener.close());
  const credentials = { authority: authority.certificate, ...agent, fleet: 'f1' };
  const { socket } = await dial({ servers: listener.addresses, credentials });
  const incoming = await arrived.promise;
  const acceptor = new Link({ socket: incoming, side: 'acceptor', ...options });
  cleanups.push(
    () => socket.destroy(),
    () => incoming.destroy(),
  );
  return [socket, incoming, acceptor];
}

async function open(address = '[::1]:0', heartbeatMs = 5_000): Promise<Ends> {
  const [socket, incoming, acceptor] = await connect(address);
  const opener = new Link({ socket, side: 'opener' });
  acceptor.handle({
    hello: () => acceptor.welcome({ build: '0', features: [], fleet: 'f1', at: 1, heartbeatMs }),
  });
  await opener.hello(helloBody);
  return { opener, acceptor, sockets: [socket, incoming] };
}

const failed = async (promise: Promise<unknown>): Promise<LotcError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LotcError);
  return error as LotcError;
};

test.each(['[::1]:0', '127.0.0.1:0'])(
  'requests both ways over %s, then an orderly end',
  async (at) => {
    const { opener, acceptor } = await open(at);
    acceptor.onRequest('retQuery', (body, reply) => reply.ok({ seq: body.limit }));
    opener.onRequest('synAssign', ({ generation }, reply) => reply.ok({ generation }));
    expect(await opener.request('retQuery', { query: 'nodes', limit: 7 })).toEqual({ seq: 7 });
    const assigned = await acceptor.request('synAssign', { generation: 3, base: 2, items: [] });
    expect(assigned).toEqual({ generation: 3 });
    await acceptor.request('ping', {});
    expect(acceptor.rttMs).toBeGreaterThan(0);
    expect(acceptor.remoteAddress).toMatch(
      at.startsWith('[') ? /^\[::1\]:\d+$/ : /^127\.0\.0\.1:\d+$/,
    );
    expect(opener.bytesOut).toBe(acceptor.bytesIn);
    expect(await opener.close('done')).toMatchObject({ by: 'us', fault: undefined, text: 'done' });
    expect(await acceptor.closed).toMatchObject({ by: 'peer', fault: undefined });
  },
);

test('a link is closed by leaving its scope', async () => {
  const { opener, acceptor, sockets } = await open();
  {
    await using link = opener;
    expect(link.phase).toBe('open');
  }
  expect(sockets[0].closed).toBe(true);
  await acceptor.closed;
});

test('what one turn of the loop says is one write', async () => {
  const { opener, acceptor, sockets } = await open();
  acceptor.onRequest('retQuery', (_, reply) => reply.ok({}));
  let reads = 0;
  sockets[1].on('data', () => {
    reads += 1;
  });
  await Promise.all(Array.from({ length: 200 }, () => opener.request('retQuery', { query: 'x' })));
  expect(reads).toBeLessThanOrEqual(3);
});

test('noise from one whose key is known gets its ERR frame, and the end', async () => {
  const [socket, , acceptor] = await connect('[::1]:0');
  const opener = new Link({ socket, side: 'opener' });
  socket.write('GET / HTTP/1.1\r\nHost: lotc.example\r\n\r\n');
  expect(await acceptor.closed).toMatchObject({ by: 'us', fault: 'bad-magic' });
  expect(await opener.closed).toMatchObject({ by: 'peer', fault: 'bad-magic' });
});

test('a handshake, and then silence, ends at the limit', async () => {
  const [socket, , acceptor] = await connect('[::1]:0', { handshakeMs: 50 });
  socket.on('error', () => undefined);
  socket.resume();
  expect((await acceptor.closed).fault).toBe('handshake-timeout');
  if (!socket.closed) await once(socket, 'close');
});

test('a connection that breaks fails what was asked and drops what was being answered', async () => {
  const { opener, acceptor, sockets } = await open();
  const asked = Promise.withResolvers<Reply>();
  const dropped = Promise.withResolvers<void>();
  acceptor.onRequest('retWait', (_, reply) => {
    reply.onDrop(() => dropped.resolve());
    asked.resolve(reply);
  });
  const waiting = failed(opener.request('retWait', { operation: 'O1' }));
  await asked.promise;
  sockets[0].destroy();
  expect((await waiting).code).toBe('unresponsive');
  await dropped.promise;
  expect((await acceptor.closed).by).toBe('peer');
  expect((await failed(acceptor.request('ping', {}))).code).toBe('unresponsive');
});

test('a peer of which nothing is heard any more is found dead, its socket destroyed', async () => {
  const { opener, acceptor, sockets } = await open('[::1]:0', 30);
  sockets[0].pause();
  expect((await opener.closed).fault).toBe('silent');
  expect(sockets[0].destroyed).toBe(true);
  expect((await acceptor.closed).by).toBe('peer');
});

const content = Buffer.alloc(16 * 1024 * 1024, 'low orbit task cannon ');

async function push(opener: Link): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const call = opener.ask(
    'filePut',
    { digest: 'd', sizeBytes: content.length },
    {
      ack: ({ offset = 0, credit = 0 }) => {
        const sending = call.send({ offset, sizeBytes: content.length, credit });
        sending
          .write(content.subarray(offset))
          .then(() => sending.end())
          .catch(reject);
      },
      ok: resolve,
      fail: (failure) => reject(new Error(failure.text)),
    },
  );
  await promise;
}

test('while content is pushed a ping gets through, and all arrives', async () => {
  const { opener, acceptor } = await open();
  let same = true;
  acceptor.onRequest('filePut', ({ sizeBytes }, reply) => {
    const receiving = reply.receive({ offset: 0, sizeBytes });
    reply.ack({ offset: 0, credit: receiving.credit });
    void (async () => {
      let at = 0;
      for await (const piece of receiving) {
        same &&= content.subarray(at, at + piece.length).equals(piece);
        at += piece.length;
      }
      reply.ok({ digest: 'd' });
    })();
  });
  let pings = 0;
  const pushed = push(opener).then(() => pings);
  const pinged = (async () => {
    for (; opener.phase === 'open' && pings < 500; pings += 1) await opener.request('ping', {});
  })();
  pinged.catch(() => undefined);
  const meanwhile = await pushed;
  await opener.close();
  expect(same).toBe(true);
  // Behind the whole content there would have been room for one or two.
  expect(meanwhile).toBeGreaterThan(10);
});

test('a receiver that does not drain costs one window, and holds nobody else up', async () => {
  const { opener, acceptor, sockets } = await open();
  acceptor.onRequest('filePut', ({ sizeBytes }, reply) => {
    const receiving = reply.receive({ offset: 0, sizeBytes });
    reply.ack({ offset: 0, credit: receiving.credit });
  });
  const before = acceptor.bytesIn;
  const stuck = push(opener);
  stuck.catch(() => undefined);
  for (let n = 0; n < 50; n += 1) await opener.request('ping', {});
  expect(acceptor.bytesIn - before).toBeLessThan(limits.creditBytes + 50_000);
  expect(sockets[0].writableLength + opener.queuedBytes).toBeLessThan(10_000);
  await opener.close();
  await expect(stuck).rejects.toThrow('ended before the answer');
});

test('a link needs no TLS: a plain socket does', async () => {
  const arrived = Promise.withResolvers<Socket>();
  const server = createTcp((socket) => arrived.resolve(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const socket = connectTcp((server.address() as { port: number }).port, '127.0.0.1');
  const opener = new Link({ socket, side: 'opener' });
  const acceptor = new Link({ socket: await arrived.promise, side: 'acceptor' });
  acceptor.handle({ hello: () => acceptor.refuse({ errorCode: 21, text: 'n1 is alive' }) });
  expect((await failed(opener.hello(helloBody))).code).toBe('name-taken');
  await opener.closed;
  await acceptor.closed;
});
