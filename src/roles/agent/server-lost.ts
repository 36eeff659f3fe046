/**
 * `--on-server-lost stop:DUR`: what must not run without its server is stopped when that has not
 * been heard for so long, by the monotonic clock. Before, it is asked: a server that has nothing to
 * say is no lost one. An agent that begins counts from then; one that is not there stops nothing;
 * one that was kept from running listens first, for what it was told meanwhile.
 */
import { formatDurationMs } from '../../base/duration.ts';
import { hasEnded, isWaiting } from '../../supervisor/states.ts';
import type { AgentAction, Item, StoredRun, Time } from './events.ts';
import type { Runs } from './runs.ts';

export interface ServerLostPorts {
  readonly act: (action: AgentAction) => void;
  time(): Time;
  runs(): Runs;
}

/** So often within the time that it may be silent, a silent server is asked. */
const ASKED = 3;

export class ServerLost {
  readonly #ports: ServerLostPorts;
  /** Runs that must not go on without the server. */
  readonly #tied = new Set<string>();
  #askedMs = -Infinity;
  /** When the next look is due, and until when nothing is judged because it came too late. */
  #dueMs = Infinity;
  #listensMs = -Infinity;

  constructor(ports: ServerLostPorts) {
    this.#ports = ports;
  }

  /** Why a task does not run now; undefined: the server was heard, or it does not matter. */
  why({ spec }: Item): string | undefined {
    const { nowMs, heardMs } = this.#ports.time();
    const { serverLostMs = 0 } = spec ?? {};
    if (serverLostMs === 0 || heardMs === undefined || nowMs < this.#listensMs) return undefined;
    if (nowMs - heardMs < serverLostMs) return undefined;
    return `the server was not heard for ${formatDurationMs(serverLostMs)}`;
  }

  /** When to look next, on the monotonic clock. */
  get deadlineMs(): number | undefined {
    const { heardMs } = this.#ports.time();
    const leastMs = this.#leastMs();
    this.#dueMs = Infinity;
    if (heardMs === undefined || leastMs === undefined) return undefined;
    const asksMs = Math.max(heardMs, this.#askedMs) + leastMs / ASKED;
    this.#dueMs = Math.min(asksMs, Math.max(heardMs + leastMs, this.#listensMs));
    return this.#dueMs;
  }

  tick(): void {
    const { nowMs, heardMs } = this.#ports.time();
    const leastMs = this.#leastMs();
    if (heardMs === undefined || leastMs === undefined) return;
    const patienceMs = leastMs / ASKED;
    if (nowMs - this.#dueMs > patienceMs) this.#listensMs = nowMs + patienceMs;
    for (const { process, order } of [...this.#concerned()]) {
      const reason = this.why(order);
      if (reason === undefined) continue;
      this.#ports.runs().apply(process.run, { event: 'want-stop', ending: { reason } });
    }
    if (nowMs < Math.max(heardMs, this.#askedMs) + patienceMs) return;
    this.#askedMs = nowMs;
    this.#ports.act({ type: 'ask-server' });
  }

  #leastMs(): number | undefined {
    let least: number | undefined;
    for (const { order } of this.#concerned()) {
      const { serverLostMs = 0 } = order.spec ?? {};
      least = Math.min(least ?? Infinity, serverLostMs);
    }
    return least;
  }

  /** A run has changed. */
  settled(run: string): void {
    const stored = this.#ports.runs().get(run);
    const isTied = stored && isUp(stored) && (stored.order.spec?.serverLostMs ?? 0) > 0;
    if (isTied) this.#tied.add(run);
    else this.#tied.delete(run);
  }

  *#concerned(): Generator<StoredRun> {
    for (const run of this.#tied) {
      const stored = this.#ports.runs().get(run);
      if (stored) yield stored;
    }
  }
}

/** It began, and is not being ended. */
function isUp({ process }: StoredRun): boolean {
  return process.wish === 'up' && !isWaiting(process.state) && !hasEnded(process.state);
}
