/**
 * The thread that asks time servers: it does nothing else, so that a busy role never delays a
 * stamp. What it finds lies in shared memory for every thread to read; messages are only for rows
 * that people look at, for the log, and to say that instants have moved.
 */
import { parentPort } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { openBaseClock } from '../base-clock.io.ts';
import { NtpClient } from './client.io.ts';
import { Discipline } from './discipline.ts';
import { announced, isSmearing, type Leap, SMEAR_RATE, smearUs } from './leap.ts';
import { hasMoved } from './moved.ts';
import type { PollLimits } from './poll.ts';
import { type Published, readAt, SharedReading, type Status } from './reading.ts';
import type { SourceRow, TimeServer } from './rows.ts';
import { openUdpCalls } from './udp.io.ts';

export interface ClockOrders {
  readonly servers: readonly TimeServer[];
  readonly memory: SharedArrayBuffer;
  readonly limits: PollLimits | undefined;
}

export type ToClockThread =
  | { readonly is: 'begin'; readonly orders: ClockOrders }
  /** `now`: ask the servers first. */
  | { readonly is: 'rows'; readonly id: number; readonly now: boolean };

export type FromClockThread =
  | { readonly is: 'rows'; readonly id: number; readonly rows: readonly SourceRow[] }
  | { readonly is: 'moved' }
  | { readonly is: 'status'; readonly status: Status };

const LOOK_MS = 1_000;
const SUSPENDED_US = 10_000;
/** Four requests are on their way for 750 ms. */
const ROWS_WAIT_MS = 1_200;

export function run(): void {
  const port = parentPort;
  assert(port !== null, 'the clock runs in a thread of its own');
  let running: Promise<ClockThread> | undefined;
  port.on('message', (message: ToClockThread) => {
    if (message.is === 'begin') {
      running = begin(message.orders, (said) => port.postMessage(said));
    } else {
      const { id, now } = message;
      void running
        ?.then((thread) => thread.rows(now))
        .then((rows) => port.postMessage({ is: 'rows', id, rows } satisfies FromClockThread));
    }
  });
}

async function begin(
  orders: ClockOrders,
  say: (said: FromClockThread) => void,
): Promise<ClockThread> {
  const [base, calls] = await Promise.all([openBaseClock(), openUdpCalls()]);
  return new ClockThread(orders, { base, calls, say });
}

interface Parts {
  readonly base: Awaited<ReturnType<typeof openBaseClock>>;
  readonly calls: Awaited<ReturnType<typeof openUdpCalls>>;
  readonly say: (said: FromClockThread) => void;
}

class ClockThread {
  readonly #parts: Parts;
  readonly #discipline = new Discipline();
  readonly #shared: SharedReading;
  readonly #clients: readonly NtpClient[];
  #leap: Leap | undefined;
  /** What was said last to have moved. */
  #told: Published | undefined;
  #status: Status = 'none';
  #suspendedUs: number;

  constructor({ servers, memory, limits }: ClockOrders, parts: Parts) {
    this.#parts = parts;
    const { base, calls } = parts;
    this.#shared = new SharedReading(memory);
    this.#suspendedUs = base.suspendedUs();
    this.#discipline.suspended(this.#suspendedUs, base.baseUs());
    this.#clients = servers.map((server) => {
      return new NtpClient(server, {
        ...{ base, calls, limits, discipline: this.#discipline },
        smearUs: (stampUs) => (this.#leap ? smearUs(this.#leap, stampUs) : 0),
        changed: () => this.#publish(),
      });
    });
    setInterval(() => this.#look(), LOOK_MS);
  }

  async rows(now: boolean): Promise<readonly SourceRow[]> {
    if (now) {
      for (const client of this.#clients) client.burst();
      await new Promise((resolve) => setTimeout(resolve, ROWS_WAIT_MS));
    }
    return this.#clients.map((client) => client.row());
  }

  #look(): void {
    const { base } = this.#parts;
    const suspendedUs = base.suspendedUs();
    if (suspendedUs - this.#suspendedUs > SUSPENDED_US) {
      this.#suspendedUs = suspendedUs;
      this.#discipline.suspended(suspendedUs, base.baseUs());
    } else {
      this.#discipline.update(base.baseUs());
    }
    this.#announce();
    this.#publish();
  }

  #publish(): void {
    const { published } = this.#discipline;
    if (published.status === 'none') return;
    this.#shared.write(published);
    const { status } = published;
    if (status !== this.#status) {
      this.#parts.say({ is: 'status', status });
      if (status === 'disturbed') for (const client of this.#clients) client.burst();
    }
    this.#status = status;
    const { base } = this.#parts;
    const told = this.#told && { offsetUs: 0, from: this.#told };
    if (told && !hasMoved(told, { offsetUs: 0, from: published }, base.baseUs())) return;
    this.#told = published;
    this.#parts.say({ is: 'moved' });
  }

  /** A leap second that most announce; it is kept until its smear is over. */
  #announce(): void {
    const { published, sources } = this.#discipline;
    if (published.status !== 'synchronised') return;
    const { atUs: trueUs } = readAt(published, this.#parts.base.baseUs());
    const leaps = [...sources]
      .filter((source) => this.#discipline.isTruechimer(source))
      .map(({ leap }) => leap);
    this.#leap = announced(leaps, trueUs) ?? this.#kept(trueUs);
    this.#discipline.smear = this.#leap && isSmearing(this.#leap, trueUs) ? SMEAR_RATE : 0;
  }

  #kept(trueUs: number): Leap | undefined {
    const leap = this.#leap;
    return leap && trueUs > leap.atUs && isSmearing(leap, trueUs) ? leap : undefined;
  }
}
