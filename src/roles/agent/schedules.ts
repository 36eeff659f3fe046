/**
 * The schedules of this node: what the server assigned, kept here for good, and claimed ahead by
 * the node itself, so that they fire whether the server is there or not. A cursor for each, in
 * the same commit as the claims, says how far its instants have been claimed.
 *
 * It refuses to know what a firing does; `fires.ts` takes the claims. Task definitions that
 * schedules start come and go with them.
 */
import { Planner } from '../../scheduler/planner.ts';
import { splayOf } from '../../scheduler/rule.ts';
import type { AgentAction, Item, StoredItem, Time } from './events.ts';
import type { Fires } from './fires.ts';
import type { Plan } from './firing.ts';
import type { Ledger } from './ledger.ts';

export interface SchedulePorts {
  readonly ledger: Ledger;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  fires(): Fires;
  /** Content that a schedule will need is to be here. */
  need(digest: string, bundle: string): void;
  /** The zone of rules in zone `local`. */
  readonly zone: string;
}

export interface StoredCursor {
  readonly cursorUs: number;
  /** Of the plan it belongs to: another schedule of the same name begins anew. */
  readonly sinceUs: number;
}

const MICROSECONDS = 1_000;

export class Schedules {
  readonly #ports: SchedulePorts;
  readonly #items = new Map<string, StoredItem>();
  /** Items of schedules by the schedule's own name. */
  readonly #schedules = new Map<string, Item & { readonly plan: Plan }>();
  readonly #cursors = new Map<string, StoredCursor>();
  readonly #planner = new Planner();
  #node = '';
  #begun = false;

  constructor(ports: SchedulePorts) {
    this.#ports = ports;
  }

  get names(): Iterable<string> {
    return this.#items.keys();
  }

  /** What the server calls this node. */
  get node(): string {
    return this.#node;
  }

  /** Content that schedules will load. */
  get digests(): ReadonlySet<string> {
    const digests = new Set<string>();
    for (const { plan } of this.#schedules.values()) if (plan.digest) digests.add(plan.digest);
    return digests;
  }

  task(name: string): Item | undefined {
    return this.#items.get(`task:${name}`)?.item;
  }

  /** Undefined: it is gone or rests. */
  plan(schedule: string): Plan | undefined {
    const plan = this.#schedules.get(schedule)?.plan;
    return plan?.paused ? undefined : plan;
  }

  hasDue(schedule: string): boolean {
    return (this.#planner.dueOf(schedule) ?? Infinity) <= this.#ports.time().atUs;
  }

  load(items: readonly StoredItem[], cursors: ReadonlyMap<string, StoredCursor>): void {
    for (const [schedule, cursor] of cursors) this.#cursors.set(schedule, cursor);
    for (const stored of items) {
      const { item } = stored;
      this.#items.set(item.item, stored);
      if (item.plan) this.#schedules.set(item.plan.schedule, { ...item, plan: item.plan });
    }
  }

  named(node: string): void {
    if (node === this.#node) return;
    this.#node = node;
    this.#ports.ledger.putLater('meta', 'node', node);
  }

  /** After a start, when every run and firing is known. */
  begin(node: unknown): void {
    this.#begun = true;
    if (typeof node === 'string') this.#node = node;
    for (const { plan } of this.#schedules.values()) this.#follow(plan);
  }

  assign(item: Item): void {
    const old = this.#items.get(item.item);
    if (old?.item.generation === item.generation) return;
    this.#items.set(item.item, { item });
    this.#ports.ledger.put('items', item.item, { item });
    if (!item.plan) return;
    const { plan, at } = item;
    // The whole assignment may come anew, with nothing in it that is.
    if (old && isSame(old.item, item)) return;
    const { schedule, sinceUs, paused } = plan;
    const why = paused ? 'the schedule was paused' : 'the schedule was changed';
    const withdrawnUs = this.#ports.fires().withdraw(schedule, why);
    this.#schedules.set(schedule, { ...item, plan });
    const known = this.#cursors.get(schedule);
    const from = known?.sinceUs === sinceUs ? known.cursorUs : beginning(item, plan);
    const back = withdrawnUs === undefined ? from : Math.min(from, withdrawnUs - 1);
    const isPast = plan.at !== undefined && plan.at <= sinceUs;
    this.#keep(schedule, { cursorUs: isPast ? back : Math.max(back, at ?? sinceUs), sinceUs });
    this.#follow(plan);
  }

  remove(key: string): void {
    const stored = this.#items.get(key);
    if (!stored) return;
    this.#items.delete(key);
    this.#ports.ledger.remove('items', key);
    const { plan } = stored.item;
    if (!plan) return;
    const { schedule } = plan;
    this.#schedules.delete(schedule);
    this.#planner.remove(schedule);
    this.#cursors.delete(schedule);
    this.#ports.ledger.remove('cursors', schedule);
    this.#ports.fires().withdraw(schedule, 'the schedule was removed');
  }

  /** Claims what is due to be claimed; once a step is enough. */
  claim(): void {
    if (!this.#begun) return;
    const reading = this.#reading();
    const wakeUs = this.#planner.wakeUs(reading);
    if (wakeUs === undefined || wakeUs > reading.atUs) return;
    const touched = new Set<string>();
    for (const planned of this.#planner.claim(reading)) {
      const plan = this.plan(planned.schedule);
      if (!plan) continue;
      this.#ports.fires().claim(planned, plan);
      touched.add(planned.schedule);
    }
    for (const schedule of touched) {
      const cursorUs = this.#planner.cursorOf(schedule);
      const sinceUs = this.#schedules.get(schedule)?.plan.sinceUs;
      if (cursorUs === undefined || sinceUs === undefined) continue;
      this.#keep(schedule, { cursorUs, sinceUs });
    }
  }

  get deadlineMs(): number | undefined {
    const reading = this.#reading();
    const wakeUs = this.#planner.wakeUs(reading);
    if (wakeUs === undefined) return undefined;
    return this.#ports.time().nowMs + Math.max(0, wakeUs - reading.atUs) / MICROSECONDS;
  }

  #reading(): { atUs: number; outstanding: number } {
    return { atUs: this.#ports.time().atUs, outstanding: this.#ports.fires().outstanding };
  }

  #follow(plan: Plan): void {
    const { schedule, splayUs = 0, digest, bundle = '' } = plan;
    if (digest !== undefined && plan.action === 'load') this.#ports.need(digest, bundle);
    if (!this.#begun) return;
    if (plan.paused) {
      this.#planner.remove(schedule);
      return;
    }
    this.#planner.put(schedule, {
      ...{ rule: plan, local: this.#ports.zone, all: plan.missed === 'all' },
      splayUs: splayOf(schedule, this.#node, splayUs),
      cursorUs: this.#cursors.get(schedule)?.cursorUs ?? plan.sinceUs,
    });
  }

  #keep(schedule: string, cursor: StoredCursor): void {
    this.#cursors.set(schedule, cursor);
    this.#ports.ledger.put('cursors', schedule, cursor);
  }
}

function isSame(a: Item, b: Item): boolean {
  return JSON.stringify({ ...a, generation: 0 }) === JSON.stringify({ ...b, generation: 0 });
}

/** Before the first instant that is this node's; one that was past already when it was accepted. */
function beginning({ at }: Item, plan: Plan): number {
  const { sinceUs, missed } = plan;
  const isPast = plan.at !== undefined && plan.at <= sinceUs;
  if (isPast && missed === 'once' && (at ?? sinceUs) === sinceUs) return (plan.at ?? 0) - 1;
  // What is past for good is behind the cursor.
  return isPast ? sinceUs : (at ?? sinceUs);
}
