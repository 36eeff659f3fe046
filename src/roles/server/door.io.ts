/**
 * The door: a connection becomes a peer, a peer a session of the core, or it is told why not.
 * Everything said to the peer goes through its link; nothing is read before it is known who it is.
 */
import type { Instant } from '../../base/clock.ts';
import { errorCodes, LotcError, ProtocolError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { checkRequest, issueForRequest, type Subject } from '../../net/certificate.io.ts';
import type { Reply } from '../../net/exchange.ts';
import type { AnyBody, Failure, Req } from '../../net/layout.ts';
import { Link } from '../../net/link.io.ts';
import type { Caller } from '../../net/listen.io.ts';
import type { Tally } from '../../net/tally.ts';
import type { Authorities } from './authorities.io.ts';
import type { ServerCore } from './core.ts';
import { believed, identify } from './identify.ts';
import { PLAINTEXT } from './model/authority.ts';
import type { Asked, AskHandlers, Peer, Replier, SessionPort } from './ports.ts';
import type { Transfers } from './transfers.io.ts';

class LinkPort implements SessionPort {
  /** Without TLS it is the HELLO that says which node this is. */
  peer: Peer;
  readonly link: Link;

  constructor(peer: Peer, link: Link) {
    this.peer = peer;
    this.link = link;
  }

  ask(kind: Parameters<SessionPort['ask']>[0], body: AnyBody, handlers: AskHandlers): Asked {
    return this.link.ask(kind, body as never, handlers);
  }

  close(reason: string, failure?: Failure): void {
    if (failure) this.link.failAll(failure);
    void this.link.close(reason);
  }

  rttUs(): number | undefined {
    const { rttMs } = this.link;
    return rttMs === undefined ? undefined : Math.round(rttMs * 1000);
  }
}

export interface DoorsOptions {
  readonly core: ServerCore;
  readonly transfers: Transfers;
  readonly authorities: Authorities;
  readonly log: Log;
  readonly tally: Tally;
  now(): Instant;
}

export class Doors {
  readonly #options: DoorsOptions;
  readonly #links = new Set<Link>();
  /** Open sessions by key. */
  readonly #open = new Map<string, number>();

  constructor(options: DoorsOptions) {
    this.#options = options;
  }

  open(incoming: Caller): void {
    const { core, log, tally } = this.#options;
    const identified = identify(core.state, incoming, this.#options.now());
    const enrol = !('peer' in identified) || identified.peer.role === 'enrol';
    const link = new Link({ socket: incoming.socket, side: 'acceptor', enrol, tally });
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    if ('refused' in identified) {
      incoming.badKey();
      log('warn', 'refused', { from: incoming.address, reason: identified.refused });
      core.strange(incoming.spki, incoming.address, identified.refused);
      refuseAll(link, unknown(`the server does not know this key: ${identified.refused}`));
      return;
    }
    if (!this.#counted(identified.peer, link)) return;
    incoming.settled();
    const port = new LinkPort(identified.peer, link);
    link.handle({
      hello: (body) => this.#hello(port, body),
      request: (kind, body, reply) => {
        if (kind === 'hostAdd') this.#enrol(port, body as Req<'hostAdd'>, reply);
        else if (kind === 'depAuthority') this.#rotate(port, body, reply);
        else if (kind === 'filePut' || kind === 'fileGet') this.#transfer(port, kind, body, reply);
        else core.request(port, kind, body, bounded(reply));
      },
      notify: (kind, body) => core.request(port, kind, body, nobody),
      end: (end) => {
        if (end.fault !== undefined) {
          if (end.by === 'us') tally.add(end.fault);
          const { name, role, address } = port.peer;
          log('warn', 'session ended', {
            name,
            role,
            from: address,
            fault: end.fault,
            text: end.text,
          });
        }
        core.closed(port, end.text);
      },
    });
  }

  /** False where one key has so many sessions already: then it is told so. */
  #counted({ spki, name, address }: Peer, link: Link): boolean {
    const open = this.#open.get(spki) ?? 0;
    if (open >= limits.sessionsPerIdentity) {
      const { log, tally } = this.#options;
      tally.add('sessionsPerIdentity');
      log('warn', 'refused', { name, from: address, reason: `it has ${open} sessions` });
      const text = `${name} has ${open} sessions already`;
      refuseAll(link, { errorCode: errorCodes.busy.number, text });
      return false;
    }
    this.#open.set(spki, open + 1);
    void link.closed.then(() => this.#gone(spki));
    return true;
  }

  #gone(spki: string): void {
    const left = (this.#open.get(spki) ?? 1) - 1;
    if (left > 0) this.#open.set(spki, left);
    else this.#open.delete(spki);
  }

  /** Content goes past the core, its rights do not. */
  #transfer(port: LinkPort, kind: 'filePut' | 'fileGet', body: AnyBody, reply: Reply): void {
    const { core, transfers } = this.#options;
    if (core.refuses(port, kind, body, reply)) return;
    if (kind === 'filePut') transfers.put(port.peer, body as Req<'filePut'>, reply);
    else transfers.get(port.peer, body as Req<'fileGet'>, reply);
  }

  #hello(port: LinkPort, body: Req<'hostHello'>): void {
    const { core, log } = this.#options;
    if (port.peer.spki === PLAINTEXT && body.role === 'agent') {
      const { address } = port.peer;
      const found = believed(core.state, { name: body.node, address }, this.#options.now());
      if ('refused' in found) {
        log('warn', 'refused', { name: body.node, from: address, reason: found.refused });
        port.link.refuse(unknown(found.refused));
        return;
      }
      port.peer = found.peer;
    }
    const welcome = core.hello(port, body);
    if ('ok' in welcome) port.link.welcome(welcome.ok as never);
    else {
      const { name, address } = port.peer;
      log('warn', 'refused', { name, from: address, reason: welcome.fail.text });
      port.link.refuse(welcome.fail);
    }
  }

  /** The request's own key is what is enrolled; possession is proven by its signature. */
  #enrol(port: LinkPort, body: Req<'hostAdd'>, reply: Reply): void {
    const { core, authorities, log } = this.#options;
    const certify = async (): Promise<void> => {
      const spki = await checkRequest(body.csr);
      if (spki === undefined) throw new LotcError('usage', 'the signing request is broken');
      const granted = await new Promise<AnyBody>((resolve, reject) => {
        core.request(
          port,
          'hostAdd',
          { ...body, spki },
          {
            ...nobody,
            ok: resolve,
            fail: (failure) => reject(new Refused(failure)),
          },
        );
      });
      const { fleet, authority } = authorities.credentials;
      const subject = { fleet, ...nameOf(granted) };
      const certificate = await issueForRequest(authority, subject, body.csr);
      reply.ok({ ...granted, certificate, authority: authority.certificate, fleet });
      const { node, identity } = granted;
      log('info', 'enrolled', { node, identity, from: port.peer.address });
    };
    certify().catch((error: unknown) => reply.fail(failureOf(error)));
  }

  /** The CA is made before the journal has the command; what the command says of it is ours. */
  #rotate(port: LinkPort, body: AnyBody, reply: Reply): void {
    const { core, authorities } = this.#options;
    if (core.refuses(port, 'depAuthority', body, reply)) return;
    authorities.prepare(body.mode ?? '').then(
      (pins) => core.request(port, 'depAuthority', { ...body, ...pins }, bounded(reply)),
      (error: unknown) => reply.fail(failureOf(error)),
    );
  }

  close(reason: string): void {
    for (const link of this.#links) void link.close(reason);
  }
}

/** What a certificate says of whom it is for: for people who read it; records decide. */
const nameOf = ({ node, identity = '' }: AnyBody): Pick<Subject, 'role' | 'name'> =>
  node === undefined ? { role: 'admin', name: identity } : { role: 'agent', name: node };

class Refused extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.text);
    this.failure = failure;
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure;
  if (error instanceof LotcError) {
    return { errorCode: errorCodes[error.code].number, text: error.message, hint: error.hint };
  }
  return { errorCode: errorCodes.internal.number, text: (error as Error).message };
}

const unknown = (text: string): Failure => ({
  ...{ errorCode: errorCodes.unauthenticated.number, text },
  hint: 'make a token for this machine: lotc admin token create',
});

/** Possession of the key is proven, so its owner is told why it may not come in. */
function refuseAll(link: Link, failure: Failure): void {
  link.handle({
    hello: () => link.refuse(failure),
    request: (_, __, reply) => reply.fail(failure),
  });
}

/** An answer that is too large for a frame is a refusal to the peer, never our end. */
function bounded(reply: Reply): Replier {
  const guard = (say: () => void): void => {
    try {
      say();
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof LotcError)) throw error;
      const text = `the answer is too large: ${error.message}`;
      const hint = 'ask for less: name tasks, nodes or a selector';
      reply.fail({ errorCode: errorCodes['too-large'].number, text, hint });
    }
  };
  return {
    ack: (body) => guard(() => reply.ack(body)),
    more: (body) => guard(() => reply.more(body)),
    ok: (body) => guard(() => reply.ok(body)),
    fail: (failure) => reply.fail({ ...failure, answers: failure.answers?.slice(0, 500) }),
    onDrop: (dropped) => reply.onDrop(dropped),
    onCredit: (raised) => reply.onCredit(raised),
  };
}

const nothing = (): void => undefined;
/** For what wants no answer. */
const nobody: Replier = {
  ...{
    ack: nothing,
    more: nothing,
    ok: nothing,
    fail: nothing,
    onDrop: nothing,
    onCredit: nothing,
  },
};
