/**
 * The sessions with the server, one after the other, as the rest of the agent sees them: what the
 * server asks goes to who answers it, reports and replies go out, heartbeats carry samples. What
 * was asked in one session is never answered in the next.
 */
import { build } from '../../base/build.ts';
import { errorCodes } from '../../base/errors.ts';
import type { Failure, Ok, Req, Shape } from '../../net/bodies.ts';
import type { Reply } from '../../net/exchange.ts';
import type { Link } from '../../net/link.io.ts';
import { trustOf } from '../../net/trust-word.ts';
import { bootId } from '../../supervisor/proc.io.ts';
import type { Room } from '../../supervisor/room.ts';
import type { Standing } from './assignment.ts';
import { keepConnected } from './connection.io.ts';
import type { Contents } from './contents.io.ts';
import type { Report } from './events.ts';
import type { Inputs } from './inputs.io.ts';
import type { Happening, NodeOptions } from './node.io.ts';
import type { Output } from './output.io.ts';
import { within } from './rest.io.ts';
import type { ResultFiles } from './results.io.ts';
import type { Rotation } from './rotation.io.ts';
import type { Samples } from './samples.io.ts';
import type { ServerTime } from './server-time.io.ts';

export interface LineParts {
  readonly samples: Samples;
  readonly time: ServerTime;
  readonly rotation: Rotation;
  readonly contents: Contents;
  readonly results: ResultFiles;
  readonly inputs: Inputs;
  readonly output: Output;
  readonly containment: string;
  readonly holds: Readonly<Record<string, string>>;
  readonly room: Room;
  standing(): Standing & { readonly seq: number };
  readonly feed: (event: Happening) => void;
}

const BYE_MS = 1_000;

export class Line {
  readonly #options: NodeOptions;
  readonly #parts: LineParts;
  readonly #over = new AbortController();
  readonly #replies = new Map<number, Reply>();
  #running: Promise<void> = Promise.resolve();
  #link: Link | undefined;
  #requests = 0;
  /** The server's last word in sessions before this one; at first, when this began to listen. */
  #heardMs = performance.now();
  #beat: NodeJS.Timeout | undefined;
  /** What the server calls this node. */
  node: string;

  constructor(options: NodeOptions, parts: LineParts) {
    this.#options = options;
    this.#parts = parts;
    this.node = options.identity.node;
  }

  get isOpen(): boolean {
    return this.#link !== undefined;
  }

  /** When the server was heard last, by `performance.now`. */
  get heardMs(): number {
    return this.#link ? performance.now() - this.#link.silentMs : this.#heardMs;
  }

  /** Whatever comes back is a sign of life. */
  ask(): void {
    this.#link?.request('ping', {}).catch(() => undefined);
  }

  /** What is not answered is asked for again; a session that ended answers nothing. */
  lease(leases: readonly Shape<'lease'>[]): void {
    const { feed } = this.#parts;
    this.#link?.ask(
      'synLease',
      { leases },
      {
        ok: (body) => feed({ type: 'leased', leases: (body as Ok<'synLease'>).leases }),
        fail: () => undefined,
      },
    );
  }

  open(): void {
    const { servers, plaintext, keylog, log } = this.#options;
    this.#running = keepConnected({
      ...{ servers, plaintext, keylog, log, signal: this.#over.signal },
      credentials: () => (plaintext ? undefined : this.#parts.rotation.identity),
      hello: () => this.#hello(),
      prepare: (link) => this.#serve(link),
      opened: (link, welcome) => this.#opened(link, welcome),
      closed: () => this.#closed(),
    });
  }

  reply(request: number, body: Ok<'synAssign'>): void {
    this.#take(request)?.ok(body);
  }

  refuse(request: number, failure: Failure): void {
    this.#take(request)?.fail(failure);
  }

  report(reports: readonly Report[]): void {
    const link = this.#link;
    const { feed } = this.#parts;
    link?.ask(
      'synReport',
      { reports },
      {
        ok: (body) => feed({ type: 'reported', body: body as Ok<'synReport'> }),
        fail: (failure) => {
          if (!link.end) feed({ type: 'report-refused', failure });
        },
      },
    );
  }

  /** An orderly goodbye: the server then knows that this node left on purpose. */
  async bye(reason: string): Promise<void> {
    const said = this.#link?.request('hostBye', { reason }).catch(() => undefined);
    if (said) await within(BYE_MS, said);
  }

  async close(): Promise<void> {
    this.#over.abort();
    clearTimeout(this.#beat);
    this.#parts.samples.close();
    await this.#running;
  }

  #hello(): Req<'hostHello'> {
    return {
      ...{ build: build.version, features: [], role: 'agent' },
      ...{ instance: this.#options.instance, node: this.node, boot: bootId() },
      ...this.#parts.standing(),
      containment: this.#parts.containment,
      holds: this.#parts.holds,
      room: this.#parts.room,
      heartbeatMs: this.#options.heartbeatMs,
      trusts: trustOf(this.#parts.rotation.identity.authority),
    };
  }

  #serve(link: Link): void {
    const { feed, output, inputs, contents } = this.#parts;
    link.onRequest('synAssign', (body, reply) => {
      this.#requests += 1;
      const request = this.#requests;
      this.#replies.set(request, reply);
      feed({ type: 'assign', request, body });
    });
    link.onRequest('retLog', (body, reply) => output.read(body, reply));
    link.onRequest('retQuery', (body, reply) => this.#parts.samples.answer(body, reply));
    link.onRequest('retInput', (body, reply) => inputs.take(body, reply));
    this.#parts.time.serve(link);
    link.onRequest('synAuthority', ({ authority }, reply) => {
      this.#parts.rotation.trust(authority).then(
        () => reply.ok({}),
        (error: Error) => reply.fail({ errorCode: errorCodes.io.number, text: error.message }),
      );
    });
    link.onRequest('fileOffer', (body, reply) => {
      contents.offer(body);
      reply.ok({});
    });
  }

  #opened(link: Link, welcome: Ok<'hostHello'>): void {
    this.#link = link;
    this.node = welcome.node ?? this.node;
    this.#parts.feed({ type: 'connected', welcome });
    this.#parts.contents.connected(link);
    this.#parts.results.connected(link);
    this.#parts.time.opened(link);
    if (!this.#options.plaintext) this.#parts.rotation.opened(link);
    const everyMs = welcome.heartbeatMs;
    clearTimeout(this.#beat);
    void this.#heartbeat(link, everyMs);
  }

  #closed(): void {
    this.#heardMs = this.heardMs;
    this.#link = undefined;
    clearTimeout(this.#beat);
    this.#replies.clear();
    this.#parts.contents.disconnected();
    this.#parts.results.disconnected();
    this.#parts.time.closed();
    this.#parts.rotation.closed();
    this.#parts.feed({ type: 'disconnected' });
  }

  async #heartbeat(link: Link, everyMs: number): Promise<void> {
    try {
      const body = await this.#parts.samples.heartbeat();
      if (!link.end) link.notify('hostSample', body);
    } catch (error) {
      this.#options.log('warn', 'no sample', { reason: String(error) });
    }
    if (link.end || this.#link !== link) return;
    this.#beat = setTimeout(() => void this.#heartbeat(link, everyMs), everyMs);
  }

  #take(request: number): Reply | undefined {
    const reply = this.#replies.get(request);
    this.#replies.delete(request);
    return reply;
  }
}
