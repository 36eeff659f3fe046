/**
 * The server without a world: controller, agent-server, admin-server and model behind one door.
 * Sessions, the journal and time come in through `ports.ts`; the simulator drives the same class.
 */
import { errorCodes, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { AnyBody, Failure, MessageKind, Req } from '../../net/layout.ts';
import { AdminServer, failureFrom } from './admin-server.ts';
import { AgentServer } from './agent-server.ts';
import { Controller, failureOf } from './controller.ts';
import { may } from './may.ts';
import { emptyState, type State } from './model/state.ts';
import type { JournalFacts, Replier, ServerPorts, SessionPort } from './ports.ts';
import { dueOf, spentOf } from './scheduling.ts';

const SPENT_LOOK_US = 60_000_000;

export interface CoreOptions {
  readonly build: string;
  readonly facts: JournalFacts;
  readonly state?: State | undefined;
}

export class ServerCore {
  readonly controller: Controller;
  readonly agents: AgentServer;
  readonly admins: AdminServer;
  readonly #ports: ServerPorts;
  readonly #options: CoreOptions;
  readonly #sessions = new Map<string, Set<SessionPort>>();
  #spentLookUs = 0;

  constructor(ports: ServerPorts, options: CoreOptions) {
    this.#ports = ports;
    this.#options = options;
    this.controller = new Controller(options.state ?? emptyState(), ports);
    this.agents = new AgentServer(this.controller, ports, options.facts);
    this.admins = new AdminServer(this.controller, this.agents, ports);
    this.controller.onChange((change) => {
      for (const spki of change.closed) this.#end(spki);
      if (change.command.kind === 'fileRm' || change.command.kind === 'fileDef')
        ports.blobsUnneeded();
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
      if (peer.role !== 'enrol' && peer.role !== body.role) {
        throw new LotcError(
          'not-allowed',
          `this key is that of ${peer.role} "${peer.name}", not of a ${body.role}`,
          { hint: `use it with: lotc ${peer.role}` },
        );
      }
      if (peer.role === 'agent') this.agents.hello(port, body);
    } catch (error) {
      return { fail: failureFrom(error) };
    }
    const set = this.#sessions.get(peer.spki) ?? new Set();
    this.#sessions.set(peer.spki, set.add(port));
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
        },
      },
    };
  }

  request(port: SessionPort, kind: MessageKind, body: AnyBody, replier: Replier): void {
    const { peer } = port;
    if (!may(peer.role, kind, 'to-server')) {
      this.#ports.log('warn', `${peer.role} "${peer.name}" may not send ${kind}`, {
        from: peer.address,
      });
      replier.fail({
        errorCode: errorCodes['not-allowed'].number,
        text: `${peer.role} "${peer.name}" may not send ${kind}`,
      });
      return;
    }
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
      case 'synDef':
        return this.#syn(body as Req<'synDef'>, replier);
      case 'ping':
        return replier.ok({});
      default:
        return this.admins.request(port, kind, body, replier);
    }
  }

  /** The edge has put the key of the signing request in: `spki`. Certificates are its work too. */
  #enrol(port: SessionPort, body: Req<'hostAdd'> & { spki: string }, replier: Replier): void {
    const { spki, node, labels, instance, build } = body;
    const addresses = [port.peer.address.replace(/:\d+$/, '')];
    const asker = { who: `token ${port.peer.token ?? ''}`, origin: port.peer.address };
    const command = {
      spki,
      token: port.peer.token ?? '',
      instance,
      build,
      node,
      labels,
      addresses,
    };
    this.controller.submit('enrol', command, asker, (reply) => {
      if (!reply.ok) replier.fail(failureOf(reply));
      else replier.ok({ ...reply.body, fleet: this.state.fleet });
    });
  }

  #syn({ t1 }: Req<'synDef'>, replier: Replier): void {
    const { atUs, errorUs } = this.#ports.now();
    replier.ok({ t1, t2: atUs, t3: this.#ports.now().atUs, errorUs });
  }

  closed(port: SessionPort, reason: string): void {
    const set = this.#sessions.get(port.peer.spki);
    set?.delete(port);
    if (set?.size === 0) this.#sessions.delete(port.peer.spki);
    if (port.peer.role !== 'agent') return;
    this.agents.closed(port, reason);
    this.admins.executions.nodeGone(port.peer.uid ?? '');
  }

  /** Once a second: orders that expired, nodes whose assignment is due again, own instants. */
  tick(): void {
    this.agents.tick();
    const { atUs } = this.#ports.now();
    this.#ownPart(atUs);
    for (const order of this.state.orders.values()) {
      if (order.expiresAt === undefined || order.expiresAt > atUs) continue;
      this.controller.submit('tick', {}, { who: 'server', origin: '' }, () => undefined);
      return;
    }
  }

  /** What the server itself does of schedules, each instant once. */
  #ownPart(atUs: number): void {
    const server = { who: 'server', origin: '' };
    for (const due of dueOf(this.state, atUs)) {
      this.controller.submit('scheduleDue', due, server, () => undefined);
    }
    if (atUs < this.#spentLookUs) return;
    this.#spentLookUs = atUs + SPENT_LOOK_US;
    const names = spentOf(this.state, atUs);
    if (names.length > 0) {
      this.controller.submit('scheduleSpent', { names }, server, () => undefined);
    }
  }

  /** Ends every session of a key whose record is gone. */
  #end(spki: string): void {
    for (const port of [...(this.#sessions.get(spki) ?? [])])
      port.close('its identity was removed');
  }
}

/** The opener's own wish, so that both ends call the same silence a death. */
function heartbeatOf({ heartbeatMs }: Req<'hostHello'>): number {
  if (heartbeatMs === undefined) return limits.pingEveryMs;
  return Math.min(Math.max(heartbeatMs, limits.heartbeatMinMs), limits.heartbeatMaxMs);
}
