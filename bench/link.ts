/**
 * Links against bare mutual TLS: memory of an idle connection at the server, requests a second,
 * and a ping while content is pushed. Each part has a server of its own, the clients are another
 * process. Run: node bench/link.ts
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { parseAddress } from '../src/net/address.ts';
import { issueKeyPair, makeAuthority } from '../src/net/certificate.io.ts';
import { ALPN, type DialCredentials, dial } from '../src/net/dial.io.ts';
import { Link } from '../src/net/link.io.ts';
import { listen } from '../src/net/listen.io.ts';

const idle = 1_000;
const requests = 100_000;
const pushBytes = 512 * 1024 * 1024;

interface Order {
  readonly what: 'bare' | 'idle' | 'requests' | 'push';
  readonly address: string;
  readonly credentials: DialCredentials;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const helloBody = { build: '0', features: [], role: 'agent', instance: 'i' } as const;

async function open({ address, credentials }: Order): Promise<Link> {
  const { socket } = await dial({ servers: [address], credentials });
  const link = new Link({ socket, side: 'opener' });
  await link.hello(helloBody);
  return link;
}

async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count) all.push(...(await Promise.all(Array.from({ length: 20 }, make))));
  return all;
}

function percentiles(values: number[]): string {
  values.sort((a, b) => a - b);
  const at = (part: number): string => (values[Math.floor(values.length * part)] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

async function ping(link: Link): Promise<number> {
  const startMs = performance.now();
  await link.request('ping', {});
  return performance.now() - startMs;
}

const orders: Readonly<Record<Order['what'], (order: Order) => Promise<string>>> = {
  bare: async ({ address, credentials: { authority, certificate, key } }) => {
    const options = { ca: authority, cert: certificate, key, ALPNProtocols: [ALPN] };
    const sockets = await many(idle, async (): Promise<TLSSocket> => {
      const check = { checkServerIdentity: () => undefined };
      const socket = connectTls({ ...parseAddress(address), ...options, ...check });
      await once(socket, 'secureConnect');
      return socket;
    });
    return String(sockets.length);
  },
  idle: async (order) => {
    const links = await many(idle, () => open(order));
    return String(links.length);
  },
  requests: async (order) => {
    const links = await Promise.all(Array.from({ length: 8 }, () => open(order)));
    const startMs = performance.now();
    let left = requests;
    const body = { key: new Uint8Array(16), targets: ['crawl@n1'], mode: 'start', wait: true };
    const lane = async (link: Link): Promise<void> => {
      for (; left > 0; left -= 1) await link.request('taskRun', body);
    };
    await Promise.all(links.flatMap((link) => Array.from({ length: 32 }, () => lane(link))));
    const perSecond = (requests * 1000) / (performance.now() - startMs);
    await Promise.all(links.map((link) => link.close()));
    return `${Math.round(perSecond)} requests/s, each with ACK and OK, both ends on this machine`;
  },
  push: async (order) => {
    const link = await open(order);
    const quiet: number[] = [];
    for (let n = 0; n < 500; n += 1) quiet.push(await ping(link));
    const data = Buffer.alloc(1024 * 1024, 'lotc');
    const startMs = performance.now();
    const busy: number[] = [];
    const state = { pushing: true };
    const pushed = new Promise<void>((resolve, reject) => {
      const call = link.ask(
        'filePut',
        { digest: 'd', sizeBytes: pushBytes },
        {
          ack: ({ offset = 0, credit = 0 }) => {
            const sending = call.send({ offset, sizeBytes: pushBytes, credit });
            const write = async (): Promise<void> => {
              for (let at = 0; at < pushBytes; at += data.length) await sending.write(data);
            };
            write().catch(reject);
          },
          ok: () => resolve(),
          fail: reject,
        },
      );
    }).finally(() => {
      state.pushing = false;
    });
    while (state.pushing) {
      busy.push(await ping(link));
      await sleep(5);
    }
    await pushed;
    const mibPerSecond = pushBytes / 1024 / 1024 / ((performance.now() - startMs) / 1000);
    await link.close();
    return `push ${Math.round(mibPerSecond)} MiB/s; ping idle ${percentiles(quiet)}; while pushing ${percentiles(busy)}`;
  },
};

if (process.send) {
  process.on('message', (message: Order) => {
    void orders[message.what](message).then((text) => process.send?.(text));
  });
} else {
  const [part] = process.argv.slice(2);
  if (part !== undefined) await measure(part);
  else {
    for (const one of ['bare', 'idle', 'talk']) {
      execFileSync(process.execPath, ['--expose-gc', import.meta.filename, one], {
        stdio: 'inherit',
      });
    }
  }
}

function bytes(): number {
  for (let n = 0; n < 5; n += 1) globalThis.gc?.();
  return process.memoryUsage().rss;
}

async function measure(part: string): Promise<void> {
  const authority = await makeAuthority('bench');
  const server = await issueKeyPair(authority, { fleet: 'bench', role: 'server', name: 'main' });
  const agent = await issueKeyPair(authority, { fleet: 'bench', role: 'agent', name: 'n1' });
  const bare = part === 'bare';
  const open = { count: 0 };
  const links = new Set<unknown>();
  const listener = await listen({
    listen: ['[::1]:0'],
    credentials: { authority: authority.certificate, ...server },
    log: () => undefined,
    onSocket: (caller) => {
      caller.settled();
      open.count += 1;
      links.add(caller.socket);
      if (bare) return;
      const link = new Link({ socket: caller.socket, side: 'acceptor' });
      links.add(link);
      serve(link);
    },
  });
  const [address = ''] = listener.addresses;
  const credentials = { authority: authority.certificate, ...agent, fleet: 'bench' };
  const child = fork(import.meta.filename);
  const order = (what: Order['what']): void => void child.send({ what, address, credentials });
  const result = async (what: Order['what']): Promise<string> => {
    order(what);
    return String((await once(child, 'message'))[0]);
  };
  if (part === 'talk') {
    console.log(await result('requests'));
    console.log(await result('push'));
  } else {
    const before = bytes();
    order(bare ? 'bare' : 'idle');
    while (open.count < idle) await sleep(50);
    await sleep(1_000);
    const each = (bytes() - before) / idle / 1024;
    console.log(part, `${each.toFixed(1)} KiB a connection at the server, ${links.size} held`);
  }
  child.kill();
  await listener.close();
  process.exit(0);
}

function serve(link: Link): void {
  link.handle({
    hello: () =>
      link.welcome({ build: '0', features: [], fleet: 'bench', at: 1, heartbeatMs: 60_000 }),
  });
  link.onRequest('taskRun', (_, reply) => {
    reply.ack({ operation: 'OABCDEFGHJKM' });
    reply.ok({ operation: 'OABCDEFGHJKM' });
  });
  link.onRequest('filePut', ({ digest, sizeBytes }, reply) => {
    const receiving = reply.receive({ offset: 0, sizeBytes });
    reply.ack({ offset: 0, credit: receiving.credit });
    const drain = async (): Promise<void> => {
      for await (const piece of receiving) void piece;
      reply.ok({ digest });
    };
    void drain();
  });
}
