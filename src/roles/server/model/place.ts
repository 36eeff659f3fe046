/**
 * Which of the nodes that may have an instance get one. Pure, and a function of what is given
 * alone: evenly over the values of a label first, then where it ran or its code lies, then where
 * the least is asked for, then by name. docs/PLACEMENT.md has the rules.
 *
 * It refuses to know which nodes may (instances.ts), and what becomes of who has one already:
 * those count, and stay.
 */

/** What tasks ask for together; whole numbers, so that sums come out the same in any order. */
export interface Load {
  readonly count: number;
  readonly slots: number;
  readonly milliCores: number;
  readonly memoryBytes: number;
}

export const noLoad: Load = { count: 0, slots: 0, milliCores: 0, memoryBytes: 0 };

export function sumOf(a: Load, b: Load, sign: 1 | -1 = 1): Load {
  return {
    count: a.count + sign * b.count,
    slots: a.slots + sign * b.slots,
    milliCores: a.milliCores + sign * b.milliCores,
    memoryBytes: a.memoryBytes + sign * b.memoryBytes,
  };
}

/** What a node has to give; a part of it that is not known, or has no bound, does not count. */
export type Space = {
  readonly [Part in 'slots' | 'milliCores' | 'memoryBytes']?: number | undefined;
};

/** The part of a node's room that is asked of it: of slots, cores or memory, the largest. */
export function shareOf(load: Load, more: Load, space: Space): number {
  const { slots, milliCores, memoryBytes } = space;
  return Math.max(
    partOf(load.slots + more.slots, slots),
    partOf(load.milliCores + more.milliCores, milliCores),
    partOf(load.memoryBytes + more.memoryBytes, memoryBytes),
  );
}

const partOf = (asked: number, whole: number | undefined): number =>
  whole === undefined || asked === 0 ? 0 : asked / whole;

export interface Candidate {
  readonly uid: string;
  readonly name: string;
  /** Of the label that is spread over; undefined: it has none, and comes after those that do. */
  readonly value: string | undefined;
  /** 2: it ran there last. 1: its bundle is loaded there. */
  readonly sticky: 0 | 1 | 2;
  /** Of the node's room, with this instance. */
  readonly share: number;
  /** Instances and runs there. */
  readonly count: number;
}

/** Names differ, so of two candidates one always comes first. */
function order(a: Candidate, b: Candidate): number {
  return (
    b.sticky - a.sticky || a.share - b.share || a.count - b.count || (a.name < b.name ? -1 : 1)
  );
}

/** The best so many, in order. */
function best(candidates: readonly Candidate[], count: number): readonly Candidate[] {
  if (count * FEW > candidates.length) return candidates.toSorted(order).slice(0, count);
  const top: Candidate[] = [];
  for (const one of candidates) {
    const last = top[count - 1];
    if (last && order(last, one) < 0) continue;
    let at = Math.min(top.length, count - 1);
    for (let before = top[at - 1]; before && order(one, before) < 0; before = top[at - 1]) {
      top[at] = before;
      at -= 1;
    }
    top[at] = one;
  }
  return top;
}

/** Below this part of all, putting each in its place is less work than sorting them. */
const FEW = 8;

export interface Wanted {
  readonly count: number;
  /** Values of the label on the nodes that have an instance; undefined: it is not spread. */
  readonly taken: readonly (string | undefined)[] | undefined;
}

/** In the order in which they are chosen: what a smaller count would choose comes first. */
export function choose(
  candidates: readonly Candidate[],
  { count, taken }: Wanted,
): readonly Candidate[] {
  if (count <= 0) return [];
  if (taken === undefined) return best(candidates, count);
  const groups = new Map<string | undefined, Candidate[]>();
  for (const one of candidates) {
    const group = groups.get(one.value);
    if (group) group.push(one);
    else groups.set(one.value, [one]);
  }
  const rows = [...groups].map(([value, left]) => new Group(left, value === undefined));
  const byValue = new Map([...groups.keys()].map((value, index) => [value, rows[index]]));
  for (const value of taken) {
    const row = byValue.get(value);
    if (row) row.used += 1;
  }
  const chosen: Candidate[] = [];
  while (chosen.length < count) {
    let first: Group | undefined;
    for (const row of rows) if (row.isBefore(first)) first = row;
    if (!first?.next) break;
    chosen.push(first.next);
    first.take();
  }
  return chosen;
}

/** The candidates of one value, and how many of it are taken. */
class Group {
  used = 0;
  next: Candidate | undefined;
  readonly #left: Candidate[];
  readonly #bare: boolean;

  constructor(left: Candidate[], bare: boolean) {
    this.#left = left;
    this.#bare = bare;
    this.#look();
  }

  isBefore(other: Group | undefined): boolean {
    if (!this.next || !other?.next) return this.next !== undefined;
    const bare = Number(this.#bare) - Number(other.#bare);
    return (this.used - other.used || bare || order(this.next, other.next)) < 0;
  }

  take(): void {
    const at = this.#left.findIndex((one) => one === this.next);
    const last = this.#left.pop();
    if (last && at < this.#left.length) this.#left[at] = last;
    this.used += 1;
    this.#look();
  }

  #look(): void {
    let next: Candidate | undefined;
    for (const one of this.#left) if (!next || order(one, next) < 0) next = one;
    this.next = next;
  }
}
