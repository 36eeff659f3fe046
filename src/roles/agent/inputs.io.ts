/**
 * Input for runs that were started with `--stdin`: written into the run's FIFO in order, answered
 * when it is written, so that a program that does not read holds its sender back and nobody else.
 * The shim holds a writing end as well: only `last` closes the program's input.
 */
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { signalNumber } from '../../base/signals.ts';
import type { Req } from '../../net/bodies.ts';
import type { Reply } from '../../net/exchange.ts';
import { failureOf } from '../../net/refused.ts';
import { paths } from '../../supervisor/paths.ts';
import { hasEnded, isWaiting } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';
import type { Runner } from './runner.io.ts';

export interface InputsOptions {
  readonly directory: string;
  readonly runner: Runner;
  run(run: string): StoredRun | undefined;
}

export class Inputs {
  readonly #options: InputsOptions;
  readonly #open = new Map<string, Socket>();
  /** Asked before the run's program was there. */
  readonly #early = new Map<string, (() => void)[]>();

  constructor(options: InputsOptions) {
    this.#options = options;
  }

  take(body: Req<'retInput'>, reply: Reply): void {
    const { run = '' } = body;
    const state = this.#options.run(run)?.process.state;
    if (state === undefined || isWaiting(state)) {
      const early = this.#early.get(run) ?? [];
      early.push(() => this.take(body, reply));
      this.#early.set(run, early);
      reply.onDrop(() => this.#early.delete(run));
    } else if (hasEnded(state)) {
      reply.fail(failureOf('not-running', `run ${run} has ended`));
    } else this.#give(run, body, reply);
  }

  /** The run has changed: what waited for its start goes in, what waits for its end is over. */
  changed(run: string): void {
    const state = this.#options.run(run)?.process.state;
    if (state === undefined || isWaiting(state)) return;
    const early = this.#early.get(run) ?? [];
    this.#early.delete(run);
    for (const again of early) again();
    if (hasEnded(state)) this.#close(run);
  }

  close(): void {
    for (const run of [...this.#open.keys()]) this.#close(run);
  }

  #give(run: string, body: Req<'retInput'>, reply: Reply): void {
    const channel = this.#options.runner.channel(run);
    const { rows, columns, signal, data, last } = body;
    if (rows !== undefined && columns !== undefined) {
      channel?.resize(rows, columns);
    }
    const number = signal === undefined ? undefined : signalNumber(signal);
    if (number !== undefined) channel?.send({ kind: 'signal-group', signal: number });
    const done = (): void => {
      if (last === true) {
        this.#close(run);
        channel?.send({ kind: 'close-stdin' });
      }
      reply.ok({});
    };
    if (data === undefined || data.length === 0) {
      done();
      return;
    }
    const socket = this.#socket(run);
    if (!socket) {
      reply.fail(failureOf('unsupported', `run ${run} was started without --stdin`));
      return;
    }
    // What a run leaves unread is no error: it has ended, or will.
    socket.write(data, () => done());
  }

  #socket(run: string): Socket | undefined {
    const known = this.#open.get(run);
    if (known) return known;
    const path = join(paths(this.#options.directory, run).record, 'stdin');
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      const socket = new Socket({ fd, readable: false, writable: true });
      socket.on('error', () => this.#close(run));
      this.#open.set(run, socket);
      return socket;
    } catch {
      return undefined;
    }
  }

  #close(run: string): void {
    this.#open.get(run)?.destroy();
    this.#open.delete(run);
  }
}
