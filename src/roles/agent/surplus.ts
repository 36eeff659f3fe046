/** Which ended runs go, by their tasks' own words on how many and how old: the oldest first. */
import { limits } from '../../base/limits.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';

const MICROSECONDS = 1_000;

export function surplusRuns(runs: Iterable<StoredRun>, atUs: number): readonly StoredRun[] {
  const kept = new Map<string, number>();
  const newestFirst = [...runs].sort((a, b) => b.process.createdAt - a.process.createdAt);
  return newestFirst.filter(({ order, process, removing }) => {
    if (!hasEnded(process.state) || removing) return false;
    const key = order.task ?? '';
    const count = (kept.get(key) ?? 0) + 1;
    kept.set(key, count);
    const { keepRuns = limits.keepRuns, keepForMs = limits.keepForMs } = order.spec ?? {};
    const ageMs = (atUs - (process.exitedAt ?? process.createdAt)) / MICROSECONDS;
    return count > keepRuns || ageMs > keepForMs;
  });
}
