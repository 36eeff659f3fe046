/**
 * Light agents: real sessions over TLS that acknowledge and report, and run nothing.
 * `node light.ts SERVER-DIRECTORY FIRST COUNT TOKEN`; by stdin: `connect`, then `last`, which
 * answers when the last assignment was acknowledged (CLOCK_MONOTONIC, ms); or `keep`, which
 * connects and comes back for ever, with the pauses of an agent.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Backoff } from '../src/net/backoff.ts';
import type { Req, Shape } from '../src/net/bodies.ts';
import { makeRequest, selfSigned } from '../src/net/certificate.io.ts';
import { type DialCredentials, dial } from '../src/net/dial.io.ts';
import { Link } from '../src/net/link.io.ts';
import { parseToken, tokenKey } from '../src/net/token.ts';
import { sleep } from './measure.ts';
import type { Admin } from './rig.ts';

interface Light {
  readonly name: string;
  readonly instance: string;
  readonly credentials: DialCredentials;
}

const AT_ONCE = 16;
const [directory = '', first = '1', count = '1', token = ''] = process.argv.slice(2);
const admin = (): Admin => JSON.parse(readFileSync(join(directory, 'admin.json'), 'utf8')) as Admin;
let lastMs = 0;

async function enrol(name: string): Promise<Light> {
  const { addresses, authority } = admin();
  const { key, csr } = await makeRequest(name);
  const shown = await selfSigned(tokenKey(parseToken(token)));
  const { socket } = await dial({ servers: addresses, credentials: { authority, ...shown } });
  await using link = new Link({ socket, side: 'opener' });
  const instance = randomBytes(8).toString('hex');
  const { certificate, fleet } = await link.enrol({ csr, instance, build: 'light', node: name });
  return { name, instance, credentials: { authority, certificate, key, fleet } };
}

async function connect({ name, instance, credentials }: Light): Promise<Link> {
  const { socket } = await dial({ servers: admin().addresses, credentials });
  const link = new Link({ socket, side: 'opener' });
  const at: { seq: number } = { seq: 0 };
  link.onRequest('synAssign', (body, reply) => {
    reply.ok({ generation: body.generation });
    const orders = body.items.filter((item) => item.entry === 'order');
    if (orders.length === 0) return;
    lastMs = Number(process.hrtime.bigint()) / 1e6;
    const reports = orders.flatMap((item) => reportsOf(item, at));
    link.request('synReport', { reports }).catch(() => undefined);
  });
  const hello: Req<'hostHello'> = {
    ...{ build: 'light', features: [], role: 'agent', instance, node: name },
    ...{ boot: 'light', containment: 'none', heartbeatMs: 60_000 },
  };
  const { after = 0 } = await link.hello(hello);
  at.seq = after;
  return link;
}

/** Resolves with the first session; what is lost comes back as an agent does. */
async function keep(light: Light): Promise<void> {
  const link = await again(light);
  const goOn = (one: Link): void => void one.closed.then(() => again(light)).then(goOn);
  goOn(link);
}

async function again(light: Light): Promise<Link> {
  const backoff = new Backoff();
  for (;;) {
    try {
      return await connect(light);
    } catch {
      await sleep(backoff.next(Math.random()));
    }
  }
}

/** As an agent whose program began and ended at once. */
function reportsOf(item: Shape<'item'>, at: { seq: number }): Shape<'report'>[] {
  const { order = '', run = '', task, operation } = item;
  const atUs = Date.now() * 1_000;
  const process = {
    ...{ run, task, operation, processState: 'exited', exitCode: 0 },
    ...{ startedAt: atUs, exitedAt: atUs },
  };
  const answer = { ok: true, run };
  at.seq += 2;
  return [
    { seq: at.seq - 1, at: atUs, entry: 'process', process },
    { seq: at.seq, at: atUs, entry: 'order', order, answer },
  ];
}

async function each<T, U>(all: readonly T[], act: (one: T) => Promise<U>): Promise<U[]> {
  const done: U[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    done.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(act))));
  }
  return done;
}

const names = Array.from({ length: Number(count) }, (_, n) => `l${Number(first) + n}`);
const agents = await each(names, enrol);
console.log('enrolled');
for await (const line of createInterface(process.stdin)) {
  if (line === 'connect' || line === 'keep') {
    await each<Light, unknown>(agents, line === 'keep' ? keep : connect);
    console.log('connected');
  } else console.log(String(lastMs));
}
process.exit(0);
