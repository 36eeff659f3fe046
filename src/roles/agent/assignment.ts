/**
 * The server's assignment, taken in: level-triggered, so that whatever was lost on the way is
 * healed by the next message. A difference is taken from the generation it is based on and no
 * other; a full list (`reset`) from any. It is acknowledged once it is durable.
 *
 * Also kept here: which journal all this came from and how far it was seen, by which a server
 * whose journal went back is noticed.
 */
import { errorCodes } from '../../base/errors.ts';
import type { Ok, Req } from '../../net/bodies.ts';
import type { Bundles } from './bundles.ts';
import type { AgentAction, Item, Tables } from './events.ts';
import type { Ledger } from './ledger.ts';
import type { Orders } from './orders.ts';
import type { Schedules } from './schedules.ts';

/** Where the node stands, for its HELLO. */
export interface Standing {
  readonly generation: number;
  readonly journal: string | undefined;
  readonly seenSeq: number;
  readonly reset: true | undefined;
}

export interface AssignmentPorts {
  readonly ledger: Ledger;
  readonly orders: Orders;
  readonly bundles: Bundles;
  readonly schedules: Schedules;
  readonly act: (action: AgentAction) => void;
}

export class Assignment {
  readonly #ports: AssignmentPorts;
  #generation = 0;
  #journal: string | undefined;
  #seenSeq = 0;
  /** The server's journal is another one than the assignment here came from. */
  #foreign = false;
  /** Replies belong to the session that asked. */
  #session = 0;

  constructor(ports: AssignmentPorts) {
    this.#ports = ports;
  }

  get standing(): Standing {
    return {
      generation: this.#generation,
      journal: this.#journal,
      seenSeq: this.#seenSeq,
      reset: this.#foreign ? true : undefined,
    };
  }

  load(meta: Tables['meta']): void {
    this.#generation = numberOf(meta, 'generation');
    this.#seenSeq = numberOf(meta, 'seenSeq');
    const journal = meta.get('journal');
    this.#journal = typeof journal === 'string' ? journal : undefined;
    this.#foreign = meta.get('foreign') === true;
  }

  connected({ journal, seq }: Ok<'hostHello'>): void {
    this.#session += 1;
    if (journal !== undefined && journal !== this.#journal) {
      this.#foreign = this.#journal !== undefined || this.#generation > 0;
      this.#journal = journal;
      this.#seenSeq = 0;
      this.#ports.ledger.put('meta', 'journal', journal);
      this.#ports.ledger.put('meta', 'foreign', this.#foreign);
    }
    this.saw(seq, journal);
  }

  disconnected(): void {
    this.#session += 1;
  }

  /** The server's journal reaches at least this far. */
  saw(seq: number | undefined, journal: string | undefined): void {
    if (seq === undefined || (journal !== undefined && journal !== this.#journal)) return;
    if (seq <= this.#seenSeq) return;
    this.#seenSeq = seq;
    this.#ports.ledger.putLater('meta', 'seenSeq', seq);
  }

  take(request: number, body: Req<'synAssign'>): void {
    const { generation, base, reset, seq, journal } = body;
    const repeated = generation === this.#generation && base !== generation && !reset;
    if (!reset && !repeated && (base !== this.#generation || this.#foreign)) {
      const text = `this node is at generation ${this.#generation}, not ${base}`;
      const failure = { errorCode: errorCodes['wrong-state'].number, text };
      this.#ports.act({ type: 'refuse', request, failure });
      return;
    }
    if (!repeated) this.#change(body);
    this.saw(seq, journal);
    this.#acknowledge(request, generation);
  }

  #change({ generation, items, removed = [], reset, names }: Req<'synAssign'>): void {
    const { ledger, orders, bundles, schedules } = this.#ports;
    this.#generation = generation;
    ledger.put('meta', 'generation', generation);
    if (reset) this.#dropUnnamed(new Set(names ?? items.map((item) => item.item)));
    for (const key of removed) this.#drop(key);
    for (const item of inOrder(items)) {
      if (item.entry === 'bundle') bundles.assign(item);
      else if (item.entry === 'order') orders.assign(item);
      else if (item.entry === 'schedule' || item.entry === 'task') schedules.assign(item);
    }
  }

  #acknowledge(request: number, generation: number): void {
    const { ledger, act } = this.#ports;
    const session = this.#session;
    ledger.after(
      () => {
        if (session === this.#session) act({ type: 'reply', request, body: { generation } });
      },
      (text) => {
        if (session !== this.#session) return;
        const failure = { errorCode: errorCodes['disk-full'].number, text };
        act({ type: 'refuse', request, failure });
      },
    );
  }

  #dropUnnamed(names: ReadonlySet<string>): void {
    const { ledger, orders, bundles, schedules } = this.#ports;
    this.#foreign = false;
    ledger.put('meta', 'foreign', false);
    const all = [...orders.names, ...bundles.names, ...schedules.names];
    for (const key of all) if (!names.has(key)) this.#drop(key);
  }

  #drop(key: string): void {
    this.#ports.orders.remove(key);
    this.#ports.schedules.remove(key);
    this.#ports.bundles.remove(key);
  }
}

export function numberOf(meta: Tables['meta'], key: string): number {
  const value = meta.get(key);
  return typeof value === 'number' ? value : 0;
}

/** By generation, then by the number behind the order's slash. */
function inOrder(items: readonly Item[]): Item[] {
  const rank = (item: Item): number => Number(item.item.slice(item.item.lastIndexOf('/') + 1)) || 0;
  return [...items].sort((a, b) => a.generation - b.generation || rank(a) - rank(b));
}
