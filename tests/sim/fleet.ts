/**
 * The fleet: one server, five agents, an admin, and what goes wrong between them. A minute of
 * commands and faults drawn from the seed, then everything is healed and two minutes pass.
 */
import type { AnyBody, Ok, Req } from '../../src/net/layout.ts';
import { neededDigests } from '../../src/roles/server/model/bundles.ts';
import { SimAdmin } from './admin.ts';
import { SimAgent, type Surroundings, wire } from './agent.ts';
import { Machine, type Witness } from './machine.ts';
import { Connection } from './network.ts';
import { replier, SimServer, SimSession } from './server.ts';
import { Sim } from './sim.ts';

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5'];
const SECOND = 1_000_000;
const COMMANDS = 100;

interface Beginning {
  readonly nodes?: readonly string[];
  readonly startUs?: number | undefined;
}

/** A mutant changes a fleet before anything has happened. */
export type Mutation = (fleet: Fleet) => void;

export class Fleet implements Surroundings {
  readonly sim: Sim;
  readonly server: SimServer;
  readonly agents: SimAgent[];
  readonly admin: SimAdmin;
  readonly witness: Witness = {
    starts: new Map(),
    ends: new Map(),
    mayBeLost: new Set(),
    signals: new Map(),
  };
  readonly #connections = new Set<Connection>();
  readonly #ports = new Map<Connection, SimSession>();
  /** Ports of the agents as mutants may wrap them. */
  onReport: (agent: SimAgent, body: AnyBody) => { body: AnyBody; seq(after: number): number } = (
    _,
    body,
  ) => ({ body, seq: (after) => after });
  onAssign: (agent: SimAgent, body: Req<'synAssign'>) => Req<'synAssign'> = (_, body) => body;
  #faults = true;

  constructor(seed: number, { nodes = NODES, startUs }: Beginning = {}) {
    this.sim = new Sim(seed, startUs);
    this.server = new SimServer(this.sim);
    this.agents = nodes.map((name) => {
      return new SimAgent(this.sim, new Machine(this.sim, name, this.witness), this);
    });
    this.admin = new SimAdmin(this.sim, this.server, nodes);
  }

  /** Everything, from the founding of the fleet to its rest. */
  run(): void {
    const { sim } = this;
    this.server.start();
    sim.runFor(SECOND);
    for (const agent of this.agents) this.enrol(agent);
    for (const agent of this.agents) agent.boot();
    sim.runFor(SECOND);
    const { random } = sim;
    const mood = random.int(0, 3);
    this.admin.loss = mood === 0 ? 0 : 0.1;
    for (let i = 0; i < COMMANDS; i += 1) {
      sim.after(random.int(0, i < 15 ? 5 : 60) * SECOND, 'a command', () => this.admin.random());
    }
    const faults = mood * 15;
    for (let i = 0; i < faults; i += 1) {
      sim.after(random.int(0, 60 * SECOND), 'a fault', () => this.fault());
    }
    sim.runFor(61 * SECOND);
    this.heal();
    sim.runFor(60 * SECOND);
    this.stopLoops();
    sim.runFor(60 * SECOND);
  }

  /** A program that ends, and still lives after a minute, is restarted for ever: nothing rests. */
  protected stopLoops(): void {
    for (const { run, ended, row } of this.server.core?.state.runs.values() ?? []) {
      const [program = ''] = row.command ?? [];
      if (ended || !['exit', 'fork'].includes(program)) continue;
      this.admin.issue('taskKill', { targets: [run], mode: 'stop' });
    }
  }

  // ---- what agents need of their surroundings ----

  dial(agent: SimAgent): Connection {
    const connection: Connection = new Connection(this.sim, agent.name, {
      agentGone: () => {
        this.#connections.delete(connection);
        agent.disconnected(connection);
      },
      serverGone: (reason) => this.#serverSideGone(connection, reason),
    });
    this.#connections.add(connection);
    const hello = agent.hello();
    connection.toServer('HELLO', () => this.#hello(agent, connection, hello));
    this.sim.after(10 * SECOND, `${agent.name} handshake`, () => {
      if (agent.connection === connection && !agent.isConnected) {
        connection.agentCloses();
        agent.disconnected(connection);
      }
    });
    return connection;
  }

  answer(connection: Connection, request: number, ok: boolean, body: AnyBody): void {
    connection.toServer(`answers assignment ${request} ${ok}`, () => {
      this.#ports.get(connection)?.answered(request, ok, body);
    });
  }

  report(agent: SimAgent, connection: Connection, body: AnyBody): void {
    const what = body.reports?.map(({ seq, entry }) => `${entry}${seq}`).join(' ') ?? '';
    connection.toServer(`reports ${what}`, () => {
      const { core } = this.server;
      const port = this.#ports.get(connection);
      if (!core || !port) return;
      const wrapped = this.onReport(agent, body);
      const answer = replier((ok, reply) => {
        connection.toAgent(`reported ${ok} ${reply.seq ?? ''}`, () => {
          const seq = wrapped.seq(reply.seq ?? 0);
          if (ok) agent.step({ type: 'reported', body: { ...reply, seq } });
          else {
            const failure = { errorCode: reply.errorCode ?? 2, text: reply.text ?? '' };
            agent.step({ type: 'report-refused', failure });
          }
        });
      });
      core.request(port, 'synReport', wrapped.body, answer);
    });
  }

  hasContent(digest: string): boolean | undefined {
    const { core } = this.server;
    return core && neededDigests(core.state).has(digest);
  }

  #hello(agent: SimAgent, connection: Connection, body: Req<'hostHello'>): void {
    const { core, life } = this.server;
    if (!core) {
      connection.serverDies();
      return;
    }
    connection.serverOpen = true;
    const { name, uid, spki } = agent;
    const peer = { role: 'agent' as const, name, uid, spki, address: `[fd00::${name[1]}]:5` };
    const port: SimSession = new SimSession(
      peer,
      (no, _, request) => this.#assign(agent, connection, no, request),
      (reason) => {
        connection.serverCloses(reason);
        this.sim.after(10, `${name} closed by server`, () => {
          if (this.server.life === life) this.#serverSideGone(connection, reason);
        });
      },
    );
    this.#ports.set(connection, port);
    const welcome = core.hello(port, body);
    if ('fail' in welcome) {
      port.close(welcome.fail.text);
      return;
    }
    const ok = wire('hostHello', 'ok', welcome.ok) as Ok<'hostHello'>;
    connection.toAgent('WELCOME', () => agent.welcomed(ok));
  }

  #assign(agent: SimAgent, connection: Connection, no: number, request: AnyBody): void {
    const body = wire('synAssign', 'req', request) as Req<'synAssign'>;
    const arrive = (): void => agent.assigned(no, this.onAssign(agent, body));
    const what = `assignment ${no}: ${body.base}..${body.generation}`;
    const full = body.reset === true ? ' full' : '';
    connection.toAgent(`${what}${full}`, arrive);
    // A stray copy, much later, must do nothing: the agent is past its base.
    if (!this.#faults || full !== '' || !this.sim.random.chance(0.03)) return;
    this.sim.after(this.sim.random.int(1, 5 * SECOND), `${agent.name} a stray`, () => {
      connection.toAgent(`stray ${what}`, arrive);
    });
  }

  #serverSideGone(connection: Connection, reason: string): void {
    const port = this.#ports.get(connection);
    this.#ports.delete(connection);
    if (!port) return;
    port.ended();
    this.server.core?.closed(port, reason);
  }

  protected enrol(agent: SimAgent): void {
    const { core } = this.server;
    if (!core) return;
    const spki = agent.name.padEnd(64, '0');
    const key = Buffer.from(`token ${agent.name}`.padEnd(16, '.'));
    const none = (): undefined => undefined;
    const admin = { role: 'admin' as const, name: 'admin', spki: 'admin', address: '[::1]:1' };
    const terms = { key, spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 };
    const made = replier(() => undefined);
    core.request(new SimSession(admin, none, none), 'hostToken', terms, made);
    this.sim.runFor(2 * SECOND);
    const token = spki.slice(0, 8);
    const enrol = { role: 'enrol' as const, name: 'token', spki, token, address: '[::1]:2' };
    const { name } = agent;
    const own = { csr: new Uint8Array(), instance: name, build: 'b', node: name };
    const done = replier((ok, body) => {
      if (!ok) throw new Error(`${name} cannot enrol: ${body.text}`);
      agent.uid = body.uid ?? '';
    });
    const asked = { ...own, spki: agent.spki };
    core.request(new SimSession(enrol, none, none), 'hostAdd', asked, done);
    this.sim.runFor(2 * SECOND);
  }

  // ---- faults ----

  protected fault(): void {
    const { random } = this.sim;
    const agent = random.pick(this.agents);
    const roll = random.int(1, 100);
    if (roll <= 20) agent.crash();
    else if (roll <= 32) agent.crashIn = random.int(1, 12);
    else if (roll <= 46) this.crashServer();
    else if (roll <= 64) this.cut(agent);
    else if (roll <= 68) for (const one of this.agents) this.cut(one);
    else if (roll <= 74) this.server.failures += random.int(1, 3);
    else if (roll <= 80) agent.commitFailures += random.int(1, 3);
    else if (roll <= 84) agent.fetchFailures += 1;
    else if (roll <= 87) agent.stuckKills += 1;
    else if (roll <= 94) {
      const runs = [...agent.machine.directories.values()].filter(({ shim }) => shim === 'alive');
      if (runs.length > 0) agent.machine.killShim(random.pick(runs).run);
    } else this.reboot(agent);
    agent.restartUs = random.int(10_000, random.chance(0.2) ? 15 * SECOND : 2 * SECOND);
  }

  protected cut(agent: SimAgent): void {
    this.sim.note(`${agent.name} cut`);
    agent.connection?.cut();
  }

  protected crashServer(mostUs = 5 * SECOND): void {
    const { server, sim } = this;
    server.crash();
    const ports = [...this.#ports.keys()];
    this.#ports.clear();
    for (const connection of ports) connection.serverDies();
    sim.after(sim.random.int(10_000, mostUs), 'server starts', () => {
      if (!server.core) server.start();
    });
  }

  protected reboot(agent: SimAgent): void {
    this.sim.note(`${agent.name} reboots`);
    agent.restartUs = this.sim.random.int(SECOND, 10 * SECOND);
    // A machine that loses power says goodbye to nobody.
    agent.connection?.cut();
    agent.crash();
    agent.machine.reboot();
  }

  protected heal(): void {
    this.sim.note('all is healed');
    this.#faults = false;
    this.admin.loss = 0;
    this.server.failures = 0;
    for (const agent of this.agents) {
      Object.assign(agent, { crashIn: 0, commitFailures: 0, fetchFailures: 0, stuckKills: 0 });
    }
  }
}
