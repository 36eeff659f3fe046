/**
 * Runs under a lease (`--on-agent-lost move`): asked for while they live, granted by the server,
 * ended when the lease is over: by KILL, at once. Their shims have the fence too, so that an agent
 * that is stopped holds nothing up; whoever is first, the run ends for the same reason.
 *
 * Nothing is launched without a lease that is held. A run that only waits to be launched has none
 * to lose: it asks again.
 */

import type { Shape } from '../../net/bodies.ts';
import { bears, leaseMsOf, NO_TERM } from '../../scheduler/lease.ts';
import { type HoldReading, LeaseHold } from '../../scheduler/lease-hold.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { AgentAction, StoredRun, Time } from './events.ts';
import type { Reports } from './reports.ts';
import type { Runs } from './runs.ts';

export interface LeasePorts {
  readonly act: (action: AgentAction) => void;
  readonly reports: Reports;
  time(): Time;
  runs(): Runs;
}

const OVER = 'its lease ended';
const ELSEWHERE = 'the instance of its task is not on this node any more';
const MICROSECONDS = 1_000;

export class Leases {
  readonly #ports: LeasePorts;
  readonly #hold = new LeaseHold();
  #isConnected = false;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** A run has changed. */
  settled(run: string): void {
    const stored = this.#ports.runs().get(run);
    const term = stored?.order.term;
    if (stored && term !== undefined && !hasEnded(stored.process.state)) {
      this.#hold.add(run, term, leaseMsOf(stored.order.spec ?? {}));
    } else this.#hold.remove(run);
  }

  connected(): void {
    this.#isConnected = true;
    this.#hold.askAnew();
  }

  disconnected(): void {
    this.#isConnected = false;
  }

  /** Reports of this node were journaled. */
  reported(): void {
    this.#hold.askUnknown();
  }

  /** Why a run under a lease cannot be launched now; undefined: it can. */
  why({ process, order }: StoredRun): string | undefined {
    if (order.term === undefined) return undefined;
    if (this.fenceOf(process.run) !== undefined) return undefined;
    const { errorUs } = this.#ports.time();
    if (errorUs === undefined) return 'waits for its lease: the clock of this node has no bound';
    if (bears({ errorUs }, leaseMsOf(order.spec ?? {}))) return 'waits for its lease';
    return `waits for its lease: the clock of this node may be wrong by ${errorUs} µs`;
  }

  fenceOf(run: string): number | undefined {
    return this.#hold.fence(run, this.#now());
  }

  take(leases: readonly Shape<'lease'>[]): void {
    for (const lease of leases) this.#learn(lease);
    const grants = leases.flatMap(({ run, term, endsAt }) =>
      endsAt === undefined ? [] : [{ run, term, endsAt }],
    );
    for (const [run, atUs] of this.#hold.granted(grants, this.#now())) {
      if (this.#ports.runs().get(run)?.process.state === 'pending')
        this.#ports.runs().evaluate(run);
      else this.#ports.act({ type: 'fence', run, atUs });
    }
  }

  /** What a schedule began here has its term from the server; what is told of no end never goes. */
  #learn({ run, term, endsAt }: Shape<'lease'>): void {
    const runs = this.#ports.runs();
    const stored = runs.get(run);
    if (!stored || hasEnded(stored.process.state)) return;
    const { order, process } = stored;
    if (endsAt !== undefined && order.term === NO_TERM) {
      runs.replace({ ...stored, order: { ...order, term } });
      this.settled(run);
    } else if (endsAt === undefined && order.term === term && process.state === 'pending')
      runs.apply(run, { event: 'give-up', reason: ELSEWHERE, errorCode: 'lease-ended' });
  }

  /** What is over ends, then what is due is asked for. */
  tick(): void {
    if (this.#hold.isEmpty) return;
    for (const run of this.#hold.lapsed(this.#now())) this.over(run);
    if (!this.#isConnected) return;
    const leases = this.#hold.ask(this.#now());
    if (leases.length > 0) this.#ports.act({ type: 'ask-lease', leases });
  }

  /** Its lease is over: by our clock, or by its shim's. */
  over(run: string): void {
    const { act, reports } = this.#ports;
    const stored = this.#ports.runs().get(run);
    this.#hold.remove(run);
    if (!stored || hasEnded(stored.process.state)) return;
    if (stored.process.state === 'pending') {
      this.settled(run);
      return;
    }
    if (stored.process.ending?.errorCode === 'lease-ended') return;
    const text = `${OVER}, and it is ended`;
    reports.event({ eventKind: 'lease-lapsed', text, run, task: stored.order.task }, this.#at());
    act({ type: 'log', level: 'warn', text: `run ${run}: ${text}`, facts: { run } });
    const ending = { reason: OVER, errorCode: 'lease-ended' } as const;
    this.#ports.runs().apply(run, { event: 'want-kill', ending });
  }

  /** On the monotonic clock. */
  get deadlineMs(): number | undefined {
    if (this.#hold.isEmpty) return undefined;
    const now = this.#now();
    const nextUs = this.#hold.nextUs(now, this.#isConnected);
    if (nextUs === undefined) return undefined;
    return this.#ports.time().nowMs + Math.max(0, nextUs - now.bootUs) / MICROSECONDS;
  }

  #at(): number {
    return this.#ports.time().atUs;
  }

  #now(): HoldReading {
    const { atUs, errorUs, nowMs, bootUs = nowMs * MICROSECONDS } = this.#ports.time();
    return { atUs, errorUs, bootUs };
  }
}
