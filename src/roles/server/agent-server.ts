/**
 * Agents: who is here, what each must know, what each reports.
 *
 * Presence, samples and round trips are soft state: lost with the process, seen again at the next
 * heartbeat. What a node must do is level-triggered: whatever was lost on the way, the next sync
 * brings the difference between the generation it has and today's.
 */
import { LotcError } from '../../base/errors.ts';
import type { AnyBody, Req, Shape } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { failureOf } from './controller.ts';
import { deltaSince } from './model/assignment.ts';
import { nodeRow } from './model/rows.ts';
import { liveRuns } from './model/runs.ts';
import type { NodeRecord } from './model/state.ts';
import type {
  Asked,
  AskHandlers,
  JournalFacts,
  Replier,
  ServerPorts,
  SessionPort,
} from './ports.ts';
import { withOpened } from './sealing.ts';
import { cut } from './shares.ts';

/** So many seconds a node has to come back after a start, before it counts as away. */
const RETURN_TICKS = 20;

interface AgentSession {
  readonly port: SessionPort;
  readonly uid: string;
  readonly instance: string;
  /** The generation the agent has durably; undefined: it needs the full list. */
  base: number | undefined;
  /** The generation at which it was last told the names of all its items. */
  namedAt: number | undefined;
  syncing: boolean;
  orderly: boolean;
}

/** Last heard of a node; outlives its session. */
interface Soft {
  samples: readonly Shape<'sample'>[];
  clock?: Shape<'clock'> | undefined;
  lastSeen: number;
}

export class AgentServer {
  readonly #controller: Controller;
  readonly #ports: ServerPorts;
  readonly #facts: JournalFacts;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #soft = new Map<string, Soft>();
  #ticks = 0;
  #leaves = false;
  readonly #sampleListeners = new Set<(uid: string) => void>();

  constructor(controller: Controller, ports: ServerPorts, facts: JournalFacts) {
    this.#controller = controller;
    this.#ports = ports;
    this.#facts = facts;
    controller.onChange((change) => {
      for (const uid of change.nodes) this.#sync(uid);
    });
  }

  get presentNames(): string[] {
    const names: string[] = [];
    for (const uid of this.#sessions.keys()) {
      const node = this.#controller.state.nodes.get(uid);
      if (node) names.push(node.name);
    }
    return names;
  }

  isPresent(uid: string): boolean {
    return this.#sessions.has(uid);
  }

  /** Throws `LotcError` where the agent may not come in; then its session is closed. */
  hello(port: SessionPort, body: Req<'hostHello'>): void {
    const uid = port.peer.uid ?? '';
    const node = this.#controller.state.nodes.get(uid);
    if (!node) throw new LotcError('unauthenticated', 'the node of this key was removed');
    this.#checkHistory(node, body);
    const old = this.#sessions.get(uid);
    if (old && old.instance !== body.instance) {
      throw new LotcError(
        'copied',
        `node ${node.name} is connected from another data directory (${old.port.peer.address})`,
        { hint: 'this directory is a copy: remove it and enrol with a new token and name' },
      );
    }
    this.#sessions.delete(uid);
    old?.port.close('replaced by a newer session of the same agent');
    const ours = body.journal === this.#facts.journal;
    const base = ours && body.reset !== true ? body.generation : undefined;
    const { instance } = body;
    const session: AgentSession = {
      ...{ port, uid, instance, base, namedAt: base },
      ...{ syncing: false, orderly: false },
    };
    this.#sessions.set(uid, session);
    this.#touch(uid);
    const { build, boot, containment, holds, room } = body;
    const addresses = [port.peer.address.replace(/:\d+$/, '')];
    this.#controller.submit(
      'attach',
      { uid, instance, build, addresses, boot, containment, holds, room, spki: port.peer.spki },
      { who: node.name, origin: port.peer.address },
      () => this.#sync(uid),
    );
  }

  /** An agent that saw this journal further than it goes proves that the journal went back. */
  #checkHistory(node: NodeRecord, body: Req<'hostHello'>): void {
    const { seq } = this.#controller.state;
    if (body.journal !== this.#facts.journal || (body.seenSeq ?? 0) <= seq) return;
    const error = new LotcError(
      'read-only',
      `the journal went back: node ${node.name} has seen record ${body.seenSeq}, this server ends at ${seq}`,
      {
        hint: 'restore the newest backup, or accept the loss: lotc server restore --data DIR --accept-loss',
      },
    );
    if (!this.#controller.readOnly) this.#ports.log('error', error.message, { hint: error.hint });
    this.#controller.refuseCommands(error);
  }

  /** The highest report this server has of a node: an agent that went back continues above it. */
  reportSeq(uid: string): number {
    return this.#controller.state.nodes.get(uid)?.reportSeq ?? 0;
  }

  /** The server ends: that its lines close then says nothing of nodes. */
  leave(): void {
    this.#leaves = true;
  }

  closed(port: SessionPort, reason: string): void {
    const uid = port.peer.uid ?? '';
    const session = this.#sessions.get(uid);
    if (session?.port !== port) return;
    this.#sessions.delete(uid);
    const { orderly } = session;
    this.#touch(uid);
    if (this.#leaves && !orderly) return;
    const name = this.#controller.state.nodes.get(uid)?.name;
    if (name === undefined) return;
    const asker = { who: name, origin: port.peer.address };
    this.#controller.submit('detach', { uid, orderly, reason }, asker, () => undefined);
  }

  bye(port: SessionPort): void {
    const session = this.#sessions.get(port.peer.uid ?? '');
    if (session?.port === port) session.orderly = true;
  }

  report(port: SessionPort, body: Req<'synReport'>, replier: Replier): void {
    const uid = port.peer.uid ?? '';
    this.#touch(uid);
    const asker = { who: port.peer.name, origin: port.peer.address };
    this.#controller.submit('report', { uid, reports: body.reports }, asker, (reply, seenSeq) => {
      if (!reply.ok) replier.fail(failureOf(reply));
      else replier.ok({ ...reply.body, seenSeq, journal: this.#facts.journal });
    });
  }

  sample(port: SessionPort, body: Req<'hostSample'>): void {
    const uid = port.peer.uid ?? '';
    const node = this.#controller.state.nodes.get(uid);
    if (!node) return;
    const samples = body.samples.map((sample) => ({ ...sample, node: node.name }));
    const { clock } = body;
    this.#soft.set(uid, { samples, clock, lastSeen: this.#ports.now().atUs });
    for (const listener of this.#sampleListeners) listener(uid);
  }

  clockOf(uid: string): Shape<'clock'> | undefined {
    return this.#soft.get(uid)?.clock;
  }

  /** A node that is as good as away: its line is closed, or it is said to be gone without one. */
  lose(uid: string, reason: string): void {
    const session = this.#sessions.get(uid);
    if (session) {
      session.port.close(reason);
      return;
    }
    const { name: who, here, lastSeen } = this.#controller.state.nodes.get(uid) ?? {};
    if (!here || who === undefined) return;
    const detach = { uid, orderly: false, reason, lastSeen };
    this.#controller.submit('detach', detach, { who, origin: '' }, () => undefined);
  }

  onSample(listener: (uid: string) => void): () => void {
    this.#sampleListeners.add(listener);
    return () => this.#sampleListeners.delete(listener);
  }

  /** Asks an agent that is here; undefined where it is not. */
  ask(
    uid: string,
    kind: 'retLog' | 'retQuery' | 'retInput' | 'synDef' | 'synNow' | 'fileOffer',
    body: AnyBody,
    handlers: AskHandlers,
  ): Asked | undefined {
    return this.#sessions.get(uid)?.port.ask(kind, body, handlers);
  }

  samplesOf(uid: string): readonly Shape<'sample'>[] {
    return this.#soft.get(uid)?.samples ?? [];
  }

  row(node: NodeRecord): Shape<'node'> {
    const session = this.#sessions.get(node.uid);
    const soft = this.#soft.get(node.uid);
    const isDrained = node.draining !== undefined;
    const nodeState = session
      ? isDrained
        ? 'draining'
        : 'online'
      : node.left
        ? 'offline'
        : 'unresponsive';
    const lastSeen = session
      ? this.#ports.now().atUs
      : Math.max(node.lastSeen, soft?.lastSeen ?? 0);
    const rttUs = session?.port.rttUs();
    const running = [...liveRuns(this.#controller.state, { uid: node.uid })].length;
    return { ...nodeRow(node), nodeState, lastSeen, clock: soft?.clock, running, rttUs };
  }

  forget(uid: string): void {
    this.#soft.delete(uid);
    this.#sessions.get(uid)?.port.close('the node was removed');
  }

  #touch(uid: string): void {
    const soft = this.#soft.get(uid) ?? { samples: [], lastSeen: 0 };
    this.#soft.set(uid, { ...soft, lastSeen: this.#ports.now().atUs });
  }

  /** One assignment message at a time; the next difference follows its acknowledgement. */
  #sync(uid: string): void {
    const session = this.#sessions.get(uid);
    if (!session || session.syncing) return;
    const delta = deltaSince(this.#controller.state, uid, session.base, session.namedAt);
    if (!delta) return;
    session.syncing = true;
    const { items: sealed, rest } = cut(delta.items);
    const { vault } = this.#ports;
    const items = vault ? sealed.map((item) => withOpened(item, vault)) : sealed;
    const generation = rest ? (items.at(-1)?.generation ?? delta.generation) : delta.generation;
    const names = delta.reset ? delta.items.map((item) => item.item) : undefined;
    const { removed, base } = delta;
    const reset = delta.reset ? true : undefined;
    const { seq } = this.#controller.state;
    const body = {
      generation,
      base,
      items,
      removed,
      reset,
      names,
      seq,
      journal: this.#facts.journal,
    };
    session.port.ask('synAssign', body, {
      ok: () => {
        session.base = generation;
        if (delta.reset) session.namedAt = delta.generation;
        else if (!rest) session.namedAt = generation;
        session.syncing = false;
        this.#sync(uid);
      },
      fail: () => {
        // The agent is not where we thought, or could not store it: the full list, a bit later.
        session.base = undefined;
        session.syncing = false;
      },
    });
  }

  /** Once a second. Sessions whose agent could not take its assignment are tried again. */
  tick(): void {
    for (const uid of this.#sessions.keys()) this.#sync(uid);
    this.#ticks += 1;
    if (this.#ticks === RETURN_TICKS) this.#miss();
  }

  /** Nodes that were here when the server ended, and have not come since. */
  #miss(): void {
    const reason = 'it has not come since the server started';
    for (const uid of this.#controller.state.nodes.keys())
      if (!this.#sessions.has(uid)) this.lose(uid, reason);
  }
}
