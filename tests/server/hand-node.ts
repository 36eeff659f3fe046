/**
 * Peers in the process of a test: keys that have joined with a token, and sessions that say what
 * the test wants said. `HandNode` is a node that carries out nothing and answers that it has.
 */
import { randomBytes } from 'node:crypto';
import { type Admin, key } from '../../bench/rig.ts';
import type { Ok, Req, Shape } from '../../src/net/bodies.ts';
import { makeRequest, selfSigned } from '../../src/net/certificate.io.ts';
import { type DialCredentials, dial } from '../../src/net/dial.io.ts';
import { Link } from '../../src/net/link.io.ts';
import { tokenKey, tokenSpki } from '../../src/net/token.ts';

/** The secret of a new token for one use. */
export async function makeToken(
  admin: Link,
  what: Partial<Req<'hostToken'>> = {},
): Promise<Uint8Array> {
  const secret = randomBytes(20);
  const spki = tokenSpki({ secret });
  await admin.request('hostToken', {
    ...{ key: key(), spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 },
    ...what,
  });
  return secret;
}

/** `as`: who it would like to be. */
export async function enrol(
  { addresses, authority }: Admin,
  secret: Uint8Array,
  as: Partial<Req<'hostAdd'>>,
): Promise<DialCredentials> {
  const { key: own, csr } = await makeRequest('hand');
  const shown = await selfSigned(tokenKey({ secret }));
  const { socket } = await dial({ servers: addresses, credentials: { authority, ...shown } });
  await using link = new Link({ socket, side: 'opener' });
  const instance = randomBytes(8).toString('hex');
  const { certificate, fleet } = await link.enrol({ csr, instance, build: 'hand', ...as });
  return { authority, certificate, key: own, fleet };
}

export type Report = Omit<Shape<'report'>, 'seq' | 'at'>;

export class HandNode {
  readonly name: string;
  readonly credentials: DialCredentials;
  readonly orders: Shape<'item'>[] = [];
  readonly #server: Admin;
  readonly #instance = randomBytes(8).toString('hex');
  #link: Link | undefined;
  #seq = 0;

  private constructor(server: Admin, name: string, credentials: DialCredentials) {
    this.#server = server;
    this.name = name;
    this.credentials = credentials;
  }

  /** Joined, and online. */
  static async make(admin: Link, server: Admin, name: string): Promise<HandNode> {
    const credentials = await enrol(server, await makeToken(admin), { node: name });
    const node = new HandNode(server, name, credentials);
    await node.connect();
    return node;
  }

  get link(): Link {
    if (!this.#link) throw new Error(`${this.name} has no session`);
    return this.#link;
  }

  get hello(): Req<'hostHello'> {
    return {
      ...{ build: 'hand', features: [], role: 'agent', instance: this.#instance },
      ...{ node: this.name, boot: 'hand', containment: 'none', heartbeatMs: 60_000 },
    };
  }

  async connect(): Promise<Ok<'hostHello'>> {
    const { credentials } = this;
    const { socket } = await dial({ servers: this.#server.addresses, credentials });
    const link = new Link({ socket, side: 'opener' });
    this.#link = link;
    link.onRequest('synAssign', ({ generation, items }, reply) => {
      reply.ok({ generation });
      for (const item of items) if (item.entry === 'order') this.#obey(item);
    });
    const welcome = await link.hello(this.hello);
    this.#seq = welcome.after ?? 0;
    return welcome;
  }

  report(...reports: Report[]): Promise<Ok<'synReport'>> {
    const at = Date.now() * 1_000;
    const numbered = reports.map((report) => ({ ...report, at, seq: (this.#seq += 1) }));
    return this.link.request('synReport', { reports: numbered });
  }

  #obey(item: Shape<'item'>): void {
    this.orders.push(item);
    const { order, run = '', task, verb } = item;
    const at = Date.now() * 1_000;
    const row =
      verb === 'start'
        ? { processState: 'running', startedAt: at }
        : { processState: 'exited', startedAt: at, exitedAt: at, exitCode: 0 };
    const process = { run, task, ...row };
    const done: Report = { entry: 'order', process, order, answer: { ok: true, run } };
    this.report(done).catch(() => undefined);
  }
}
