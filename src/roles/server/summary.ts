/**
 * Firings in figures, schedule by schedule: how many, with what result, how late, and how far
 * apart the nodes were at one instant. Fed row by row, so the ledger is never held as a whole;
 * what is kept of a firing is its lateness, and of an instant its first and its last node.
 */
import type { Shape } from '../../net/layout.ts';

type Fire = Shape<'fire'>;
type Summary = Shape<'summary'>;

/** The nodes that were least and most late at one instant; with splay each has its own. */
interface Instant {
  least: Fire;
  most: Fire;
  nodes: number;
}

interface Tally {
  readonly head: Pick<Summary, 'schedule' | 'action' | 'task' | 'bundle'>;
  readonly counts: Record<'ok' | 'skipped' | 'failed' | 'lost', number>;
  count: number;
  readonly late: number[];
  readonly instants: Map<number, Instant>;
}

export class FireSummary {
  readonly #tallies = new Map<string, Tally>();

  add(fire: Fire): void {
    const { schedule, action, task, bundle, result, lateUs, plannedUs } = fire;
    let tally = this.#tallies.get(schedule);
    if (!tally) {
      tally = {
        head: { schedule, action, task, bundle },
        counts: { ok: 0, skipped: 0, failed: 0, lost: 0 },
        ...{ count: 0, late: [], instants: new Map() },
      };
      this.#tallies.set(schedule, tally);
    }
    tally.count += 1;
    if (result !== undefined && result in tally.counts) {
      tally.counts[result as keyof Tally['counts']] += 1;
    }
    if (lateUs === undefined) return;
    tally.late.push(lateUs);
    const instant = tally.instants.get(plannedUs);
    if (!instant) tally.instants.set(plannedUs, { least: fire, most: fire, nodes: 1 });
    else {
      instant.nodes += 1;
      if (lateUs < (instant.least.lateUs ?? 0)) instant.least = fire;
      if (lateUs > (instant.most.lateUs ?? 0)) instant.most = fire;
    }
  }

  rows(): readonly Summary[] {
    const rows = [...this.#tallies.values()].map(rowOf);
    return rows.sort((a, b) => (a.schedule < b.schedule ? -1 : 1));
  }
}

function rowOf({ head, counts, count, late, instants }: Tally): Summary {
  late.sort((a, b) => a - b);
  const several = [...instants.values()].filter(({ nodes }) => nodes > 1);
  const skews = several.map(({ least, most }) => (most.lateUs ?? 0) - (least.lateUs ?? 0));
  skews.sort((a, b) => a - b);
  return {
    ...{ ...head, count, okCount: counts.ok, skippedCount: counts.skipped },
    ...{ failedCount: counts.failed, lostCount: counts.lost },
    ...{ lateP50Us: quantile(late, 0.5), lateP95Us: quantile(late, 0.95) },
    ...{ lateP99Us: quantile(late, 0.99), lateMaxUs: late.at(-1) },
    ...{ skewP50Us: quantile(skews, 0.5), skewP99Us: quantile(skews, 0.99) },
    ...{ skewMaxUs: skews.at(-1), skewErrorUs: boundOf(several) },
  };
}

/** Nearest rank: the smallest value that at least that share of all does not exceed. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** What the two clocks may be wrong by together, at worst; undefined where one does not know. */
function boundOf(several: readonly Instant[]): number | undefined {
  let worst: number | undefined;
  for (const { least, most } of several) {
    const { clockErrorUs: one } = least;
    const { clockErrorUs: other } = most;
    if (one === undefined || other === undefined) return undefined;
    worst = Math.max(worst ?? 0, one + other);
  }
  return worst;
}
