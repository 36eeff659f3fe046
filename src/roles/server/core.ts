/**
 * The server without a world: controller, agent-server, admin-server and model behind one door.
 * Sessions, the journal and time come in through `ports.ts`; the simulator drives the same class.
 */
import type { Instant } from '../../base/clock.ts';
import { errorCodes, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { AnyBody, Failure, MessageKind, Req } from '../../net/layout.ts';
import { AdminServer, failureFrom } from './admin-server.ts';
import { AgentServer } from './agent-server.ts';
import { Controller, failureOf, SERVER } from './controller.ts';
import { Leases } from './leases.ts';
import { rightOf } from './may.ts';
import { type Authority, authorityOf, identityFault, judge } from './model/authority.ts';
import { hasExpired } from './model/results.ts';
import { emptyState, type Reply, type State } from './model/state.ts';
import { checkTimes } from './model/times.ts';
import type { JournalFacts, Peer, Replier, ServerPorts, SessionPort } from './ports.ts';
import { Refusals } from './refusals.ts';
import { dueOf, spentOf } from './scheduling.ts';
import { Sessions } from './sessions.ts';
import { Trusting } from './trusting.ts';

const SPENT_LOOK_US = 60_000_000;

export interface CoreOptions {
  readonly build: string;
  readonly facts: JournalFacts;
  readonly state?: State | undefined;
}

export class ServerCore {
  readonly controller: Controller;
  readonly agents: AgentServer;
  readonly leases: Leases;
  readonly admins: AdminServer;
  readonly trusting: Trusting;
  readonly #ports: ServerPorts;
  readonly #options: CoreOptions;
  readonly #sessions = new Sessions();
  readonly #refusals: Refusals;
  #spentLookUs = 0;

  constructor(ports: ServerPorts, options: CoreOptions) {
    this.#ports = ports;
    this.#options = options;
    this.controller = new Controller(options.state ?? emptyState(), ports);
    this.#refusals = new Refusals(this.controller);
    this.agents = new AgentServer(this.controller, ports, options.facts);
    this.leases = new Leases(this.controller, this.agents, ports);
    this.trusting = new Trusting(this.controller, ports);
    this.admins = new AdminServer(this.controller, this.agents, ports, this.#sessions);
    this.controller.onChange((change) => {
      for (const spki of change.closed) {
        this.#sessions.close(spki, 'its identity was removed or revoked');
      }
      const { kind } = change.command;
      if (kind === 'fileRm' || kind === 'fileDef' || change.hasFreed) ports.blobsUnneeded();
    });
  }

  get state(): State {
    return this.controller.state;
  }

  /**
   * The first request of a session. WELCOME's body, or why not: then the session is closed.
   * An agent's session counts as here from now on.
   */
  hello(port: SessionPort, body: Req<'hostHello'>): { ok: AnyBody } | { fail: Failure } {
    const { peer } = port;
    try {
      checkPlace(peer, body.role);
      if (peer.role === 'agent') this.agents.hello(port, body);
    } catch (error) {
      const fail = failureFrom(error);
      this.#refusals.note(peer, { kind: 'hostHello', body }, fail, this.#ports.monotonicMs());
      return { fail };
    }
    this.#sessions.begun(port);
    const authority = this.trusting.begun(port, body.trusts);
    const { atUs: at, errorUs } = this.#ports.now();
    const { facts, build } = this.#options;
    const after = peer.uid === undefined ? undefined : this.agents.reportSeq(peer.uid);
    return {
      ok: {
        ...{ build, features: [], fleet: this.state.fleet, at, errorUs, after },
        ...{ heartbeatMs: heartbeatOf(body), journal: facts.journal, seq: this.state.seq },
        ...{
          identity: peer.name,
          node: peer.role === 'agent' ? peer.name : undefined,
          role: peer.role,
          authority,
        },
      },
    };
  }

  request(port: SessionPort, kind: MessageKind, body: AnyBody, replier: Replier): void {
    if (this.refuses(port, kind, body, replier)) return;
    switch (kind) {
      case 'hostAdd':
        return this.#enrol(port, body as Req<'hostAdd'> & { spki: string }, replier);
      case 'hostBye':
        this.agents.bye(port);
        return replier.ok({});
      case 'hostSample':
        return this.agents.sample(port, body as Req<'hostSample'>);
      case 'synReport':
        return this.agents.report(port, body as Req<'synReport'>, replier);
      case 'synLease':
        return this.leases.request(port, body as Req<'synLease'>, replier);
      case 'synDef':
        return this.#syn(body as Req<'synDef'>, replier);
      case 'retQuery':
        if (body.query === 'ca') return replier.ok(this.trusting.facts());
        if (body.query === 'limits') return replier.ok({ tallies: this.#ports.tally?.rows ?? [] });
        return this.admins.request(port, kind, body, replier);
      case 'ping':
        return replier.ok({});
      default:
        return this.admins.request(port, kind, body, replier);
    }
  }

  /**
   * Whether this peer may not ask this: it is answered then, and nothing of it reaches the journal.
   * A person may ask for too much; an agent asks by itself, so one that asks what no agent may is
   * none of ours, and its session is over.
   */
  refuses(
    port: SessionPort,
    kind: MessageKind,
    body: AnyBody,
    replier: Pick<Replier, 'fail'>,
  ): boolean {
    const refusal = this.#refusal(port, kind, body);
    if (!refusal) return false;
    replier.fail(refusal);
    const isAgent = port.peer.role === 'agent';
    if (isAgent && rightOf('agent', kind, body) === 'no') port.close(refusal.text);
    return true;
  }

  #refusal({ peer }: SessionPort, kind: MessageKind, body: AnyBody): Failure | undefined {
    try {
      const refusal = judge(this.state, this.#authorityOf(peer), kind, body);
      if (refusal) throw refusal;
      // Each report is judged by itself, and commands by `apply`.
      if (peer.role === 'agent' && kind !== 'synReport') checkTimes(body);
      return undefined;
    } catch (error) {
      const failure = failureFrom(error);
      this.#ports.log('warn', failure.text, { from: peer.address, kind });
      this.#refusals.note(peer, { kind, body }, failure, this.#ports.monotonicMs());
      return failure;
    }
  }

  /** A key at the door that counted once: whoever shows it is not who has its successor. */
  strange(spki: string | undefined, address: string, reason: string): void {
    const identity = this.state.identities.get(spki ?? '');
    if (identity?.retiredAt === undefined) return;
    const { name, role } = identity;
    const peer = { name, role, spki: identity.spki, address };
    const failure = { errorCode: errorCodes.copied.number, text: reason };
    const asked = { kind: 'hostHello', body: {} } as const;
    this.#refusals.note(peer, asked, failure, this.#ports.monotonicMs());
  }

  /** Its record as it is now, not as it was when the session began. */
  #authorityOf(peer: Peer): Authority {
    if (peer.role === 'enrol') return peer;
    const { atUs: at, errorUs } = this.#ports.now();
    return authorityOf(this.state, peer.spki, { at, errorUs });
  }

  /** The edge has put the key of the signing request in: `spki`. Certificates are its work too. */
  #enrol(port: SessionPort, body: Req<'hostAdd'> & { spki: string }, replier: Replier): void {
    const { spki, node, labels, instance, build, role, identity } = body;
    const addresses = [port.peer.address.replace(/:\d+$/, '')];
    const { address: origin, spki: by } = port.peer;
    const asker = { who: `token ${port.peer.token ?? ''}`, origin, by };
    const command = {
      spki,
      token: port.peer.token ?? '',
      instance,
      build,
      ...{ node, labels, addresses, role, identity },
    };
    const done = (reply: Reply): void => {
      if (!reply.ok) replier.fail(failureOf(reply));
      else replier.ok({ ...reply.body, fleet: this.state.fleet });
    };
    const { uid, name: who } = port.peer;
    if (uid === undefined) this.controller.submit('enrol', command, asker, done);
    else this.controller.submit('renew', { uid, spki }, { ...asker, who }, done);
  }

  #syn({ t1 }: Req<'synDef'>, replier: Replier): void {
    const { atUs, errorUs } = this.#ports.now();
    replier.ok({ t1, t2: atUs, t3: this.#ports.now().atUs, errorUs });
  }

  closed(port: SessionPort, reason: string): void {
    this.#sessions.ended(port, this.#ports.now().atUs);
    this.trusting.ended(port);
    if (port.peer.role !== 'agent') return;
    this.agents.closed(port, reason);
    this.admins.executions.nodeGone(port.peer.uid ?? '');
  }

  /** Once a second: orders that expired, nodes whose assignment is due again, own instants. */
  tick(): void {
    this.agents.tick();
    this.trusting.tick();
    const now = this.#ports.now();
    const { atUs } = now;
    this.#ownPart(atUs);
    this.#endLapsed(now);
    for (const order of this.state.orders.values()) {
      if (order.expiresAt === undefined || order.expiresAt > atUs) continue;
      this.controller.submit('tick', {}, SERVER, () => undefined);
      return;
    }
  }

  /** What the server itself does of schedules, each instant once. */
  #ownPart(atUs: number): void {
    for (const due of dueOf(this.state, atUs)) {
      this.controller.submit('scheduleDue', due, SERVER, () => undefined);
    }
    if (atUs < this.#spentLookUs) return;
    this.#spentLookUs = atUs + SPENT_LOOK_US;
    if (hasExpired(this.state, atUs)) this.controller.submit('tick', {}, SERVER, () => undefined);
    const names = spentOf(this.state, atUs);
    if (names.length > 0) {
      this.controller.submit('scheduleSpent', { names }, SERVER, () => undefined);
    }
  }

  /** Sessions of identities that have lapsed meanwhile. */
  #endLapsed({ atUs, errorUs }: Instant): void {
    for (const spki of this.#sessions.keys()) {
      const identity = this.state.identities.get(spki);
      const fault = identity && identityFault(identity, atUs, errorUs);
      if (fault !== undefined) this.#sessions.close(spki, `its identity ends: ${fault}`);
    }
  }
}

/** A key is good for its own place: a node's at an agent, a person's at a console. */
function checkPlace({ role, name }: Peer, place: string): void {
  if (role === 'enrol' || (role === 'agent') === (place === 'agent')) return;
  const text = `this key is that of ${role} "${name}", not of ${place === 'agent' ? 'an agent' : 'a console'}`;
  const hint = `use it with: lotc ${role === 'agent' ? 'agent' : 'admin'}`;
  throw new LotcError('not-allowed', text, { hint });
}

/** The opener's own wish, so that both ends call the same silence a death. */
function heartbeatOf({ heartbeatMs }: Req<'hostHello'>): number {
  if (heartbeatMs === undefined) return limits.pingEveryMs;
  return Math.min(Math.max(heartbeatMs, limits.heartbeatMinMs), limits.heartbeatMaxMs);
}
