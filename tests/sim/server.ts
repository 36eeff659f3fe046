/**
 * The server of a simulated fleet: the real ServerCore over a journal whose batches are durable
 * when the disk says so. A crash inside a commit leaves any beginning of the batch.
 */
import { LotcError } from '../../src/base/errors.ts';
import type { AnyBody, MessageKind } from '../../src/net/layout.ts';
import type { Entry } from '../../src/roles/server/controller.ts';
import { ServerCore } from '../../src/roles/server/core.ts';
import type { Change } from '../../src/roles/server/model/change.ts';
import type {
  AskHandlers,
  HistoryRow,
  Replier,
  ServerPorts,
  SessionPort,
} from '../../src/roles/server/ports.ts';
import type { Sim } from './sim.ts';

export const facts = { journal: 'j', epoch: 1 };
const MOST_PENDING = 1_000;

interface Pending {
  readonly rec: Uint8Array;
  readonly failed: (error: Error) => void;
}

export class SimServer {
  readonly #sim: Sim;
  readonly durable: Entry[] = [];
  /** The history tables, made again from the journal at each start. */
  rows: HistoryRow[] = [];
  core: ServerCore | undefined;
  life = 0;
  #queued: Pending[] = [];
  #batch: Pending[] = [];
  /** Commits that fail from now on (disk full). */
  failures = 0;
  /** How often each command did something in this life; the journal's replay included. */
  readonly applied = new Map<string, number>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  /** Mutants of the server are made here: the core is fresh and has seen nothing yet. */
  prepare: (core: ServerCore) => void = () => undefined;
  appended: (record: Uint8Array, seq: number) => void = () => undefined;
  /** Entries are handed on by the journal when they are durable. */
  committed: (entries: readonly Entry[]) => void = (entries) =>
    this.core?.controller.entries(entries);

  start(): void {
    this.life += 1;
    this.rows = [];
    this.applied.clear();
    const core = new ServerCore(this.#ports(this.life), { build: 'sim', facts });
    this.core = core;
    this.prepare(core);
    core.controller.onChange((change) => this.#count(change));
    core.controller.entries(this.durable);
    this.#tick(this.life);
    if (this.durable.length > 0) return;
    const founder = { fleet: 'f', spki: 'admin', identity: 'admin' };
    core.controller.submit('found', founder, { who: 's', origin: '' }, () => undefined);
  }

  /** kill -9: what was not durable is gone; of a batch under way a beginning may be durable. */
  crash(): void {
    if (!this.core) return;
    this.#sim.note('server crashes');
    this.core = undefined;
    this.life += 1;
    const kept = this.#batch.slice(0, this.#sim.random.int(0, this.#batch.length));
    for (const { rec } of kept) this.durable.push({ seq: this.durable.length + 1, rec });
    this.#batch = [];
    this.#queued = [];
  }

  #count({ command, events, operations, nodes }: Change): void {
    const isRepeatable = !['report', 'attach', 'detach', 'tick'].includes(command.kind);
    if (!isRepeatable || events.length + operations.size + nodes.size === 0) return;
    const id = Buffer.from(command.key).toString('hex');
    this.applied.set(id, (this.applied.get(id) ?? 0) + 1);
  }

  #tick(life: number): void {
    this.#sim.after(1_000_000, 'server tick', () => {
      if (this.life !== life) return;
      this.core?.tick();
      this.#tick(life);
    });
  }

  #ports(life: number): ServerPorts {
    const sim = this.#sim;
    return {
      now: () => ({ atUs: sim.nowUs, errorUs: 1_000 }),
      monotonicMs: () => sim.nowUs / 1000,
      key: () => Buffer.from(Array.from({ length: 16 }, () => sim.random.int(0, 255))),
      append: (rec, failed) => this.#append({ rec: Uint8Array.from(rec), failed }, life),
      project: (rows) => {
        if (this.life === life) this.rows.push(...rows);
      },
      history: (query, then) => {
        const found = this.rows.filter(
          (row) => row.kind === query.kind && (!query.run || row.run === query.run),
        );
        sim.after(100, 'history', () => {
          if (this.life === life) then(found);
        });
      },
      blobsUnneeded: () => undefined,
      log: (level, text) => sim.note(`server ${level} ${text}`),
    };
  }

  #append(pending: Pending, life: number): void {
    if (this.life !== life) return;
    this.#queued.push(pending);
    if (this.#queued.length > MOST_PENDING) throw new Error('the journal queues without bound');
    this.appended(pending.rec, this.durable.length + this.#batch.length + this.#queued.length);
    if (this.#batch.length === 0) this.#flush(life);
  }

  #flush(life: number): void {
    this.#batch = this.#queued.splice(0, 1_024);
    if (this.#batch.length === 0) return;
    const slow = this.#sim.random.chance(0.02);
    const us = this.#sim.random.int(100, slow ? 1_000_000 : 10_000);
    this.#sim.after(us, `server commits ${this.#batch.length}`, () => {
      if (this.life !== life) return;
      const batch = this.#batch;
      this.#batch = [];
      if (this.failures > 0) {
        this.failures -= 1;
        for (const { failed } of batch) failed(new LotcError('disk-full', 'no space'));
      } else {
        const entries = batch.map(({ rec }, i) => ({ seq: this.durable.length + i + 1, rec }));
        this.durable.push(...entries);
        this.committed(entries);
      }
      if (this.#batch.length === 0) this.#flush(life);
    });
  }
}

/** The server's side of a connection. */
export class SimSession implements SessionPort {
  readonly peer;
  readonly #asks = new Map<number, AskHandlers>();
  #no = 0;
  #open = true;
  readonly #send: (no: number, kind: MessageKind, body: AnyBody) => void;
  readonly #close: (reason: string) => void;

  constructor(
    peer: SessionPort['peer'],
    send: (no: number, kind: MessageKind, body: AnyBody) => void,
    close: (reason: string) => void,
  ) {
    this.peer = peer;
    this.#send = send;
    this.#close = close;
  }

  ask(kind: MessageKind, body: AnyBody, handlers: AskHandlers): { drop(): void; credit(): void } {
    this.#no += 1;
    const no = this.#no;
    if (this.#open) {
      this.#asks.set(no, handlers);
      this.#send(no, kind, body);
    }
    return { drop: () => this.#asks.delete(no), credit: () => undefined };
  }

  answered(no: number, ok: boolean, body: AnyBody): void {
    const handlers = this.#asks.get(no);
    this.#asks.delete(no);
    if (!handlers || !this.#open) return;
    if (ok) handlers.ok(body);
    else handlers.fail({ errorCode: body.errorCode ?? 2, text: body.text ?? '' });
  }

  /** The connection is gone: what was asked will not be answered. */
  ended(): void {
    this.#open = false;
    const open = [...this.#asks.values()];
    this.#asks.clear();
    for (const handlers of open) handlers.fail({ errorCode: 2, text: 'the session ended' });
  }

  close(reason: string): void {
    if (this.#open) this.#close(reason);
  }

  rttUs(): undefined {
    return undefined;
  }
}

/** Answers of the server, handed to a function once each. */
export function replier(done: (ok: boolean, body: AnyBody) => void): Replier {
  return {
    ack: () => undefined,
    more: () => undefined,
    ok: (body) => done(true, body),
    fail: (failure) => done(false, failure),
    onDrop: () => undefined,
    onCredit: () => undefined,
  };
}
