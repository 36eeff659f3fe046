/**
 * Result files in the world: collected into a tar beside the run's record, sent to the server as
 * its credit allows, from where it left off. What was to be sent when the line broke is sent when
 * there is one again.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import type { Link } from '../../net/link.io.ts';
import { RefusedError } from '../../net/refused.ts';
import { collectFiles } from '../../store/collect.io.ts';
import { paths } from '../../supervisor/paths.ts';
import type { AgentAction, Item, RunEvent } from './events.ts';
import { InOrder } from './in-order.ts';
import { rest } from './rest.io.ts';

export interface ResultFilesOptions {
  readonly directory: string;
  readonly log: Log;
  readonly emit: (run: string, event: RunEvent) => void;
}

type Delivery = AgentAction & { readonly type: 'deliver' };

const DELIVERIES_AT_ONCE = 2;
const READ_BYTES = 1024 * 1024;
/** Collections happen one after the other: they are the disk's business, not the programs'. */
const COLLECTING = '';

export class ResultFiles {
  readonly #options: ResultFilesOptions;
  readonly #wanted = new Map<string, Delivery>();
  readonly #underWay = new Set<string>();
  readonly #turns: InOrder;
  readonly #over = new AbortController();
  #link: Link | undefined;

  constructor(options: ResultFilesOptions) {
    this.#options = options;
    this.#turns = new InOrder((run, error) => {
      options.log('error', 'result files', { run, reason: String(error) });
    });
  }

  connected(link: Link): void {
    this.#link = link;
    this.#pump();
  }

  disconnected(): void {
    this.#link = undefined;
  }

  carryOut(action: Extract<AgentAction, { type: 'collect' | 'deliver' | 'drop-result' }>): void {
    if (action.type === 'collect') this.#collect(action.run, action.order);
    else if (action.type === 'drop-result') this.#drop(action.run);
    else {
      this.#wanted.set(action.run, action);
      this.#pump();
    }
  }

  #collect(run: string, { spec }: Item): void {
    const { emit, directory, log } = this.#options;
    const places = paths(directory, run);
    this.#turns.do(COLLECTING, async () => {
      try {
        const { skipped, ...found } = await collectFiles({
          ...{ directory: places.work, globs: spec?.results ?? [], into: places.results },
          signal: this.#over.signal,
        });
        emit(run, { kind: 'collected', collected: { ...found, skipped: told(skipped) } });
      } catch (error) {
        if (this.#over.signal.aborted) return;
        const reason = (error as Error).message;
        log('warn', 'result files were not kept', { run, reason });
        const passing = error instanceof LotcError && error.code === 'disk-full';
        if (passing) emit(run, { kind: 'collect-failed', reason });
        else emit(run, { kind: 'collected', collected: { files: 0, skipped: [], reason } });
      }
    });
  }

  /** The server has it. */
  #drop(run: string): void {
    this.#wanted.delete(run);
    this.#turns.do(run, () => rm(paths(this.#options.directory, run).results, { force: true }));
  }

  /** The run goes, and what is here of its files with it. */
  forget(run: string): void {
    this.#wanted.delete(run);
  }

  async close(): Promise<void> {
    this.#over.abort();
    this.#wanted.clear();
    await this.#turns.idle();
  }

  #pump(): void {
    const link = this.#link;
    if (!link || link.end) return;
    for (const delivery of this.#wanted.values()) {
      const { run } = delivery;
      if (this.#underWay.size >= DELIVERIES_AT_ONCE) return;
      if (this.#underWay.has(run)) continue;
      this.#underWay.add(run);
      this.#turns.do(run, async () => {
        try {
          await this.#deliver(delivery, link);
        } finally {
          this.#underWay.delete(run);
          queueMicrotask(() => this.#pump());
        }
      });
    }
  }

  /** Many runs end at one instant: who finds the server busy waits its turn. */
  async #send(file: FileHandle, delivery: Delivery, link: Link): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await send(file, delivery, link);
      } catch (error) {
        if (!isBusy(error) || link.end || this.#over.signal.aborted) throw error;
      }
      const mostMs = Math.min(limits.resultBusyMinMs * 2 ** tries, limits.resultBusyMaxMs);
      await rest(mostMs * (0.5 + Math.random() / 2), this.#over.signal);
    }
  }

  async #deliver(delivery: Delivery, link: Link): Promise<void> {
    const { emit, directory, log } = this.#options;
    const { run } = delivery;
    if (!this.#wanted.has(run)) return;
    try {
      await using file = await open(paths(directory, run).results, 'r');
      await this.#send(file, delivery, link);
      this.#wanted.delete(run);
      emit(run, { kind: 'delivered' });
    } catch (error) {
      // Without a line it waits for the next one.
      if (link.end || this.#over.signal.aborted) return;
      this.#wanted.delete(run);
      const reason = (error as Error).message;
      log('warn', 'result files were not delivered', { run, reason });
      emit(run, { kind: 'deliver-failed', reason });
    }
  }
}

/** The server has its hands full, with the same content of another node for instance. */
const isBusy = (error: unknown): boolean => error instanceof LotcError && error.code === 'busy';

function told(skipped: readonly string[]): readonly string[] {
  const more = skipped.length - limits.resultSkippedTold;
  if (more <= 0) return skipped;
  return [...skipped.slice(0, limits.resultSkippedTold), `and ${more} more`];
}

async function send(file: FileHandle, delivery: Delivery, link: Link): Promise<void> {
  const { digest, sizeBytes } = delivery;
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  const call = link.ask(
    'filePut',
    { digest, sizeBytes },
    {
      ack: ({ credit = 0, offset = 0 }) => {
        const sending = call.send({ offset, sizeBytes, credit });
        const work = async (): Promise<void> => {
          const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
          for (let at = offset; at < sizeBytes; ) {
            const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
            if (bytesRead === 0) throw new LotcError('damaged', 'the tar of the files is cut off');
            await sending.write(buffer.subarray(0, bytesRead));
            at += bytesRead;
          }
          await sending.end();
        };
        work().catch((error: unknown) => {
          if (link.end === undefined) call.drop();
          done.reject(error);
        });
      },
      ok: () => done.resolve(),
      fail: (failure) => done.reject(new RefusedError(failure)),
    },
  );
  await done.promise;
}
