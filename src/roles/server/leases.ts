/**
 * Leases as the server grants them: asked for by nodes, over their sessions, remembered here and
 * nowhere else. When the lease of a run is over, by this clock and its error, the run is given up
 * where it was (model/leases.ts), and a node that is silent though its line is open loses that.
 */
import type { Req, Shape } from '../../net/layout.ts';
import { NO_TERM } from '../../scheduler/lease.ts';
import { type BookReading, LeaseBook } from '../../scheduler/lease-book.ts';
import type { AgentServer } from './agent-server.ts';
import { type Controller, SERVER } from './controller.ts';
import type { RunRecord } from './model/state.ts';
import type { Replier, ServerPorts, SessionPort } from './ports.ts';

/** A give-up that could not be written down is tried again after this. */
const AGAIN_MS = 1_000;
/** What is journaled of a node's clock is so much more than its error, and holds for a while. */
const ROOM = 2;
const BETTER = 8;

export class Leases {
  readonly #controller: Controller;
  readonly #agents: AgentServer;
  readonly #ports: ServerPorts;
  readonly #book = new LeaseBook();
  /** Runs that live under a lease, and when their end was last written down. */
  readonly #runs = new Map<string, number>();
  readonly #clocks = new Map<string, number | undefined>();

  constructor(controller: Controller, agents: AgentServer, ports: ServerPorts) {
    this.#controller = controller;
    this.#agents = agents;
    this.#ports = ports;
    for (const record of controller.state.runs.values()) this.#note(record.run, record);
    controller.onChange((change) => {
      for (const run of change.runs) this.#note(run, controller.state.runs.get(run));
    });
    agents.onSample((uid) => this.#clock(uid));
  }

  /** What is not granted now is not answered: its node ends it when its lease does. */
  request({ peer }: SessionPort, { leases }: Req<'synLease'>, replier: Replier): void {
    const granted = leases.flatMap(({ run, term }): Shape<'lease'>[] => {
      const record = this.#controller.state.runs.get(run);
      // What a schedule began is not known here before its node's report is journaled.
      if (!record || record.uid !== peer.uid) return [];
      const { lease, ended } = record;
      // Without an end: never.
      if (!lease || ended) return [{ run, term }];
      if (term !== NO_TERM && term !== lease.term) return [];
      if (this.#runs.get(run) !== -Infinity) return [];
      const endsAt = this.#book.grant(run, lease.leaseMs, this.#now());
      return endsAt === undefined ? [] : [{ run, term: lease.term, endsAt }];
    });
    replier.ok({ leases: granted });
  }

  /** Many times a second; what is over is given up. */
  tick(): void {
    if (this.#runs.size === 0) return;
    const now = this.#now();
    for (const [run, triedMs] of this.#runs) {
      const record = this.#controller.state.runs.get(run);
      if (!record?.lease || now.monotonicMs - triedMs < AGAIN_MS) continue;
      if (!this.#book.isOver(run, record.lease.leaseMs, now)) continue;
      // From here on nothing of it is granted any more.
      this.#runs.set(run, now.monotonicMs);
      this.#agents.lose(record.uid, 'it did not renew a lease');
      this.#controller.submit('leaseOver', { run }, SERVER, () => undefined);
    }
  }

  #note(run: string, record: RunRecord | undefined): void {
    if (record?.lease && !record.ended && !record.held) {
      if (this.#runs.has(run)) return;
      this.#runs.set(run, -Infinity);
      // That it was asked to begin counts as a lease: it has that long to ask for one.
      this.#book.grant(run, record.lease.leaseMs, this.#now());
    } else if (this.#runs.delete(run)) this.#book.forget(run);
  }

  /** Journaled where it would change what may be placed on a node. */
  #clock(uid: string): void {
    const clock = this.#agents.clockOf(uid);
    const node = this.#controller.state.nodes.get(uid);
    if (!clock || !node) return;
    const { clockErrorUs: errorUs } = clock;
    const known = this.#clocks.has(uid) ? this.#clocks.get(uid) : node.clock?.errorUs;
    const isKnown = this.#clocks.has(uid) || node.clock !== undefined;
    const isSame =
      errorUs === undefined || known === undefined
        ? errorUs === known
        : errorUs <= known && errorUs * BETTER * ROOM >= known;
    if (isKnown && isSame) return;
    const noted = errorUs === undefined ? undefined : Math.ceil(errorUs * ROOM);
    this.#clocks.set(uid, noted);
    this.#controller.submit('nodeClock', { uid, clockErrorUs: noted }, SERVER, (reply) => {
      if (!reply.ok) this.#clocks.delete(uid);
    });
  }

  #now(): BookReading {
    return { ...this.#ports.now(), monotonicMs: this.#ports.monotonicMs() };
  }
}
