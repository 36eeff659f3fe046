/** Streams of what happens: events as they are journaled, samples as they arrive. */
import type { Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { AuditWatch } from './audit-watch.ts';
import type { Controller } from './controller.ts';
import type { Change } from './model/change.ts';
import { Refusal } from './model/change.ts';
import { selectNodes } from './model/resolve.ts';
import type { Replier, ServerPorts } from './ports.ts';
import { answerQuery, samples } from './queries.ts';
import { thenLive } from './then-live.ts';

type WatchRequest = Req<'retWatch'>;

export class Watches {
  readonly #controller: Controller;
  readonly #agents: AgentServer;
  readonly #ports: ServerPorts;
  readonly #audit: AuditWatch;
  readonly #eventWatchers = new Set<(events: readonly Shape<'event'>[]) => void>();

  constructor(controller: Controller, agents: AgentServer, ports: ServerPorts) {
    this.#controller = controller;
    this.#agents = agents;
    this.#ports = ports;
    this.#audit = new AuditWatch(controller, ports);
    controller.onChange((change, seq) => {
      if (this.#eventWatchers.size === 0 || change.events.length === 0) return;
      const events = eventsOf(change, seq);
      for (const watcher of this.#eventWatchers) watcher(events);
    });
  }

  watch(body: WatchRequest, replier: Replier): void {
    if (body.query === 'events') this.#events(body, replier);
    else if (body.query === 'audit') this.#audit.watch(body, replier);
    else if (body.query === 'stats') this.#stats(body, replier);
    else throw new Refusal('unsupported', `this server cannot watch "${body.query}"`);
  }

  /** First what was (where asked for), then what comes, each once. */
  #events(body: WatchRequest, replier: Replier): void {
    const { since, after, on } = body;
    const { state } = this.#controller;
    const nodes = on === undefined ? undefined : new Set(selectNodes(state, on).map((n) => n.name));
    const mine = (event: Shape<'event'>): boolean =>
      !nodes || (event.node !== undefined && nodes.has(event.node));
    const from = { state, agents: this.#agents, ports: this.#ports };
    const isPast = since !== undefined || after !== undefined;
    thenLive<Shape<'event'>>({
      listen: (watcher) => {
        const fresh = (events: readonly Shape<'event'>[]): void => watcher(events.filter(mine));
        this.#eventWatchers.add(fresh);
        return () => this.#eventWatchers.delete(fresh);
      },
      onDrop: (stop) => replier.onDrop(stop),
      tell: (events) => replier.more({ events }),
      numberOf: ({ seq }) => seq,
      ...{ told: after, cursor: after },
      page: !isPast
        ? undefined
        : (cursor, then) => {
            const query = { query: 'events', since, after: cursor, on };
            answerQuery(from, query, ({ events = [], after: next }) => then(events, next));
          },
    });
  }

  /** The rows of a node each time it has sent new ones. */
  #stats(body: WatchRequest, replier: Replier): void {
    const { state } = this.#controller;
    const from = { state, agents: this.#agents, ports: this.#ports };
    const first = samples(from, body);
    if (first.length > 0) replier.more({ samples: first });
    const stop = this.#agents.onSample((uid) => {
      const name = state.nodes.get(uid)?.name;
      const rows = samples(from, body).filter((row) => row.node === name);
      if (rows.length > 0) replier.more({ samples: rows });
    });
    replier.onDrop(stop);
  }
}

export function eventsOf(change: Change, seq: number): readonly Shape<'event'>[] {
  const { at, errorUs, who, origin } = change.command;
  return change.events.map(({ kind: eventKind, ...names }) => {
    return { seq, at, clockErrorUs: errorUs, eventKind, who, origin, ...names };
  });
}
