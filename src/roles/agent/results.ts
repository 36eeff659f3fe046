/**
 * Result files of this node's runs. When a run has ended whose task keeps files, they are
 * collected into a tar beside its record, the tar goes to the server, the server is told what it
 * has, and the tar here goes. Each step is stored before the next: a crash repeats a step, and
 * nothing is lost but what retention takes with its run. The edge does the work (results.io.ts);
 * here stands only what is due.
 */
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/bodies.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type {
  AgentAction,
  Collected,
  Item,
  RunEvent,
  StoredResult,
  StoredRun,
  Time,
} from './events.ts';
import type { Ledger } from './ledger.ts';
import type { Reports } from './reports.ts';

export interface ResultPorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  get(run: string): StoredRun | undefined;
  /** Stores what is known of the run's files. */
  put(run: string, result: StoredResult): void;
}

export const collects = (order: Item): boolean => (order.spec?.results?.length ?? 0) > 0;

export class Results {
  readonly #ports: ResultPorts;
  /** Tries that failed for now, by when the next one is due. */
  readonly #again = new Map<string, number>();

  constructor(ports: ResultPorts) {
    this.#ports = ports;
  }

  get deadlineMs(): number | undefined {
    const due = [...this.#again.values()].filter(Number.isFinite);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** It has changed: where it has ended, files are due. A run that never began has none. */
  settled(run: string): void {
    const { process, order, result } = this.#ports.get(run) ?? {};
    if (!process || !order || result || !hasEnded(process.state)) return;
    if (!collects(order) || process.startedAt === undefined) return;
    this.#ports.put(run, { state: 'collecting' });
    this.#ports.ledger.after(() => this.#go(run));
  }

  /** After a start of the agent: what had been begun is gone on with. */
  begin(runs: Iterable<StoredRun>): void {
    for (const { process, removing, result } of runs) {
      if (result && !removing) this.#go(process.run);
    }
  }

  take(run: string, event: RunEvent): void {
    if (event.kind === 'collected') this.#collected(run, event.collected);
    else if (event.kind === 'delivered') this.#delivered(run);
    else if (event.kind === 'collect-failed' || event.kind === 'deliver-failed')
      this.#failed(run, event.reason);
  }

  #collected(run: string, collected: Collected): void {
    if (this.#ports.get(run)?.result?.state !== 'collecting') return;
    if (collected.digest === undefined) return this.#tell(run, collected);
    this.#again.delete(run);
    this.#ports.put(run, { state: 'kept', collected });
    this.#ports.ledger.after(() => this.#go(run));
  }

  #delivered(run: string): void {
    const { result } = this.#ports.get(run) ?? {};
    if (result?.state === 'kept' && result.collected) this.#tell(run, result.collected);
  }

  /** The first reason is told, so that whoever waits for the files knows why they do not come. */
  #failed(run: string, reason: string): void {
    const { result } = this.#ports.get(run) ?? {};
    if (!result || result.state === 'told') return;
    const { nowMs } = this.#ports.time();
    if (!this.#again.has(run)) {
      const nothing = { files: 0, skipped: [], reason: `${reason}; tried again` };
      this.#report(run, nothing, { last: false });
    }
    this.#again.set(run, nowMs + limits.resultRetryMs);
  }

  tick(): void {
    const { nowMs } = this.#ports.time();
    for (const [run, atMs] of this.#again) {
      if (atMs > nowMs) continue;
      this.#again.set(run, Infinity);
      this.#go(run);
    }
  }

  /** Retention took the run: what had not left yet has gone with it. */
  removed(run: string): void {
    const { result } = this.#ports.get(run) ?? {};
    this.#again.delete(run);
    if (!result || result.state === 'told') return;
    const reason = 'the run was removed by its retention before its files were delivered';
    this.#report(run, { files: 0, skipped: [], reason });
  }

  #go(run: string): void {
    const { order, result } = this.#ports.get(run) ?? {};
    if (!order || !result) return;
    const { digest, sizeBytes = 0 } = result.collected ?? {};
    if (result.state === 'collecting') this.#ports.act({ type: 'collect', run, order });
    else if (result.state === 'told') this.#ports.act({ type: 'drop-result', run });
    else if (digest !== undefined) this.#ports.act({ type: 'deliver', run, digest, sizeBytes });
  }

  #tell(run: string, collected: Collected): void {
    this.#again.delete(run);
    this.#ports.put(run, { state: 'told', collected });
    this.#report(run, collected);
    this.#ports.ledger.after(() => this.#go(run));
  }

  #report(run: string, collected: Collected, come: Pick<Shape<'kept'>, 'last'> = {}): void {
    const { order, process } = this.#ports.get(run) ?? {};
    const { digest, sizeBytes, files, skipped, reason } = collected;
    const nowUs = this.#ports.time().atUs;
    const at = process?.exitedAt ?? nowUs;
    const more = { at, digest, sizeBytes, reason, task: order?.task, ...come };
    const kept: Shape<'kept'> = { run, files, skipped, ...more };
    this.#ports.reports.kept(kept, nowUs);
  }
}
