/** A fake node with schedules: what a server assigns it, and time that passes as timers see it. */
import type { Shape } from '../../src/net/bodies.ts';
import type { Item } from '../../src/roles/agent/events.ts';
import type { Plan } from '../../src/roles/agent/firing.ts';
import { FakeNode } from './fake-node.ts';

export const SECOND = 1_000_000;

export function schedule(id: string, sinceUs: number, more: Partial<Plan>): Item {
  const plan: Plan = {
    ...{ schedule: id, action: 'start', task: 'web', sinceUs, revision: 1 },
    ...{ missed: 'skip', overlap: 'forbid' },
    ...more,
  };
  return { item: `schedule:${id}`, generation: 0, entry: 'schedule', at: sinceUs, plan };
}

export function task(name: string, more: Partial<Item> = {}): Item {
  const spec = { command: ['./x'] };
  return { item: `task:${name}`, generation: 0, entry: 'task', task: name, spec, ...more };
}

export class Scheduled extends FakeNode {
  #generation = 0;
  readonly #items = new Map<string, Item>();

  begin(...items: readonly Item[]): this {
    this.boot();
    this.connect();
    this.settle();
    this.change(items);
    return this;
  }

  change(items: readonly Item[], removed: readonly string[] = []): void {
    this.assignOnly(items, removed);
    this.settle();
  }

  /** The same, and nothing else happens yet. */
  assignOnly(items: readonly Item[], removed: readonly string[] = []): void {
    this.#generation += 1;
    const generation = this.#generation;
    const numbered = items.map((item) => ({ ...item, generation }));
    for (const item of numbered) this.#items.set(item.item, item);
    for (const key of removed) this.#items.delete(key);
    const body = { generation, base: generation - 1, items: numbered, removed: [...removed] };
    this.assign(body);
  }

  /** The whole assignment once more, as for an agent that may have lost some of it. */
  resync(): void {
    const items = [...this.#items.values()];
    this.assign({ generation: this.#generation, base: 0, reset: true, items, removed: [] });
  }

  /** Time passes as timers see it: a second at a time, with whatever falls due. */
  pass(seconds: number, each?: () => void): void {
    for (let second = 0; second < seconds; second += 1) {
      this.tick(1_000);
      this.settle();
      each?.();
    }
  }

  get fires(): Shape<'fire'>[] {
    return this.journaled.flatMap((report) => (report.fire ? [report.fire] : []));
  }

  /** Outcome and instant, counted in seconds. */
  get told(): string[] {
    return this.fires.map(({ plannedUs, result }) => `${plannedUs / SECOND} ${result}`);
  }
}
