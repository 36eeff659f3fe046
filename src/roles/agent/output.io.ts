/**
 * Output of a run for the server (retLog): read from the run's log files as the asker's credit
 * allows, once or until the run has ended and everything was read. The reader pulls, so a slow
 * console costs nothing but its own patience.
 */
import { LotcError } from '../../base/errors.ts';
import type { Req, Shape } from '../../net/bodies.ts';
import type { Reply } from '../../net/exchange.ts';
import { failureOf } from '../../net/refused.ts';
import { readLogs } from '../../supervisor/log-reader.io.ts';
import type { Stream } from '../../supervisor/logs.ts';
import { paths } from '../../supervisor/paths.ts';
import { hasEnded, isWaiting } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';

export interface OutputOptions {
  readonly directory: string;
  nowUs(): number;
  run(run: string): StoredRun | undefined;
  row(run: string): Shape<'process'> | undefined;
}

interface Reading {
  readonly begun: PromiseWithResolvers<void>;
  readonly ended: PromiseWithResolvers<void>;
}

export class Output {
  readonly #options: OutputOptions;
  readonly #readings = new Map<string, Set<Reading>>();

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  read(body: Req<'retLog'>, reply: Reply): void {
    this.#read(body, reply).catch((error: unknown) => {
      const { message } = error as Error;
      const code = error instanceof LotcError ? error.code : 'io';
      reply.fail(failureOf(code, message));
    });
  }

  /** The run has changed: it may have begun or ended. */
  changed(run: string): void {
    const readings = this.#readings.get(run);
    if (readings) for (const reading of readings) this.#look(run, reading);
  }

  #look(run: string, { begun, ended }: Reading): void {
    const state = this.#options.run(run)?.process.state;
    if (state === undefined || isWaiting(state)) return;
    begun.resolve();
    if (hasEnded(state)) ended.resolve();
  }

  async #read(body: Req<'retLog'>, reply: Reply): Promise<void> {
    const { run = '', follow, tail, since, streams } = body;
    if (!this.#options.run(run) && follow !== true) {
      throw new LotcError('no-such-run', `this node knows no run ${run}`);
    }
    const gone = new AbortController();
    const credit = new Credit(body.credit);
    reply.onCredit((raised) => credit.raise(raised));
    reply.onDrop(() => gone.abort());
    gone.signal.addEventListener('abort', () => credit.raise(Number.MAX_SAFE_INTEGER));
    const reading = this.#register(run);
    try {
      if (follow === true) await Promise.race([reading.begun.promise, aborted(gone.signal)]);
      const chunks = readLogs({
        directory: paths(this.#options.directory, run).logs,
        nowUs: () => this.#options.nowUs(),
        ...{ tail, sinceUs: since, follow, signal: gone.signal },
        streams: streams as readonly Stream[] | undefined,
        ended: reading.ended.promise,
      });
      for await (const { stream, data, offset, atUs } of chunks) {
        await credit.take(data.length);
        if (gone.signal.aborted) return;
        reply.more({ run, stream, data, offset, at: atUs });
      }
      reply.ok({ run, process: this.#options.row(run) });
    } finally {
      this.#unregister(run, reading);
    }
  }

  #register(run: string): Reading {
    const reading = { begun: Promise.withResolvers<void>(), ended: Promise.withResolvers<void>() };
    const all = this.#readings.get(run) ?? new Set();
    all.add(reading);
    this.#readings.set(run, all);
    this.#look(run, reading);
    return reading;
  }

  #unregister(run: string, reading: Reading): void {
    const all = this.#readings.get(run);
    all?.delete(reading);
    if (all?.size === 0) this.#readings.delete(run);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Bytes the asker is ready to take in all; sending waits until there is some left. */
class Credit {
  #limit: number;
  #sent = 0;
  #waiting: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  raise(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
    this.#waiting?.();
  }

  /** One chunk may go over: credit is a bound on what waits, a chunk is small. */
  async take(count: number): Promise<void> {
    while (this.#sent >= this.#limit) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#sent += count;
  }
}
