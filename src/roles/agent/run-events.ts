/** What the world tells of a run, handed to whom it concerns: process, orders, firings, life. */
import type { RunEvent, Time } from './events.ts';
import type { Fires } from './fires.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { Orders } from './orders.ts';
import type { Reports } from './reports.ts';
import type { Results } from './results.ts';
import { inputOf } from './run-input.ts';
import type { Runs } from './runs.ts';
import type { Vitals } from './vitals.ts';

export interface RunEventPorts {
  readonly ledger: Ledger;
  readonly runs: Runs;
  readonly orders: Orders;
  readonly fires: Fires;
  readonly vitals: Vitals;
  readonly results: Results;
  readonly leases: Pick<Leases, 'over'>;
  readonly reports: Reports;
  time(): Time;
}

export class RunEvents {
  readonly #ports: RunEventPorts;

  constructor(ports: RunEventPorts) {
    this.#ports = ports;
  }

  /** Of a command without a task nobody waits for its start, and most end right after it. */
  apply(run: string, event: RunEvent): void {
    const { ledger, runs } = this.#ports;
    const isBrief = event.kind === 'started' && runs.get(run)?.order.task === undefined;
    if (isBrief) ledger.unhurried(() => this.#apply(run, event));
    else this.#apply(run, event);
  }

  #apply(run: string, event: RunEvent): void {
    const { runs, orders, fires, vitals, results } = this.#ports;
    const input = inputOf(event);
    if (input) runs.apply(run, input);
    switch (event.kind) {
      case 'started':
        vitals.started(run, event.sinceMs ?? 0);
        break;
      case 'acted':
        runs.acted(run, event.acted);
        break;
      case 'retracted':
        fires.retracted(run);
        break;
      case 'lease-over':
        this.#ports.leases.over(run);
        break;
      case 'signalled':
        orders.signalled(event.order, run, event.reason);
        fires.signalled(event.order, run, event.reason);
        break;
      case 'removed':
        results.removed(run);
        runs.removed(run);
        break;
      case 'warned':
        this.#warned(run, event.text);
        break;
      case 'sign':
      case 'main':
      case 'moved':
      case 'quiet':
      case 'marked':
      case 'inspected':
      case 'checked':
        vitals.told(run, event);
        break;
      default:
        results.take(run, event);
        break;
    }
  }

  #warned(run: string, text: string): void {
    const { runs, reports } = this.#ports;
    const task = runs.get(run)?.order.task;
    reports.event({ eventKind: 'process-warned', text, run, task }, this.#ports.time().atUs);
  }
}
