/**
 * Output on its way from nodes to one console, with bounded memory: the console grants a credit
 * for all of it, the relay grants each node a window out of that, so what is on its way never
 * exceeds what the console said it would take.
 */
import type { AnyBody, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import type { Asked, Replier } from './ports.ts';

/** A node's window: large enough for throughput, small enough for a thousand nodes. */
const WINDOW_BYTES_MAX = 64 * 1024;
const WINDOW_BYTES_MIN = 1024;

export interface Source {
  readonly uid: string;
  readonly run: string;
  /** Names put on every frame of this source. */
  readonly names: { readonly node: string; readonly task?: string | undefined };
  readonly ask: AnyBody;
}

interface Stream {
  readonly source: Source;
  asked?: Asked | undefined;
  received: number;
  granted: number;
}

export class Relay {
  readonly #agents: AgentServer;
  readonly #replier: Replier;
  readonly #streams = new Map<string, Stream>();
  #credit: number;
  #granted = 0;
  #over = false;

  constructor(agents: AgentServer, replier: Replier, credit: number) {
    this.#agents = agents;
    this.#replier = replier;
    this.#credit = credit;
    replier.onCredit((raised) => {
      this.#credit = Math.max(this.#credit, raised);
      for (const stream of this.#streams.values()) this.#grant(stream);
    });
  }

  get open(): number {
    return this.#streams.size;
  }

  has(run: string): boolean {
    return this.#streams.has(run);
  }

  /** `ended` is called once, with what was wrong where something was. */
  add(
    source: Source,
    ended: (fault: string | undefined, process?: Shape<'process'>) => void,
  ): void {
    const stream: Stream = { source, received: 0, granted: 0 };
    this.#streams.set(source.run, stream);
    const window = this.#window(stream);
    stream.granted = window;
    this.#granted += window;
    const end = (fault: string | undefined, process?: Shape<'process'>): void => {
      if (!this.#streams.delete(source.run)) return;
      // What it was granted and did not use is for the others.
      this.#granted -= stream.granted - stream.received;
      for (const other of this.#streams.values()) this.#grant(other);
      ended(fault, process);
    };
    stream.asked = this.#agents.ask(
      source.uid,
      'retLog',
      { ...source.ask, credit: window },
      {
        more: (body) => this.#forward(stream, body),
        ok: (body) => end(undefined, body.process),
        fail: (failure) => end(failure.text),
      },
    );
    if (!stream.asked) end(`node ${source.names.node} is not online`);
  }

  stop(): void {
    this.#over = true;
    for (const stream of this.#streams.values()) stream.asked?.drop();
    this.#streams.clear();
  }

  #forward(stream: Stream, body: AnyBody): void {
    if (this.#over) return;
    stream.received += body.data?.length ?? 0;
    this.#replier.more({ ...body, ...stream.source.names, run: stream.source.run });
    this.#grant(stream);
  }

  #window(stream: Stream): number {
    const share = Math.floor(this.#credit / (this.#streams.size + 1));
    const want = Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, share));
    const unused = stream.granted - stream.received;
    return Math.max(0, Math.min(want - unused, this.#credit - this.#granted));
  }

  #grant(stream: Stream): void {
    const more = this.#window(stream);
    // Small raises cost a frame each; wait for half a window, unless nothing is left to it.
    if (more === 0 || (more < WINDOW_BYTES_MIN && stream.granted > stream.received)) return;
    stream.granted += more;
    this.#granted += more;
    stream.asked?.credit(stream.granted);
  }
}
