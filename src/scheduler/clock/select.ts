/**
 * Which sources tell the truth, and where it then lies (Marzullo 1984; RFC 5905 section 11.2.1).
 *
 * Of n sources fewer than half may lie: f = ⌊(n − 1) / 2⌋. Of the h that have something to say the
 * bound is the hull of all points that at least h − f intervals cover. It contains the truth
 * whenever at most f lie; the place where most intervals overlap does not always (honest [0, 10]
 * and [8, 20], a liar's [0, 8.5], truth 9.5) and only chooses who is a truechimer. Where not
 * even f + 1 agree, all of them may be liars: there is no majority, and nobody is followed.
 */
import type { Interval } from './source.ts';

export interface Selection extends Interval {
  /** By index: whether the source's interval meets the place where most agree. */
  readonly truechimers: readonly boolean[];
}

/** `sources`: how many there are, with those that say nothing now. undefined: no majority. */
export function select(
  intervals: readonly Interval[],
  sources = intervals.length,
): Selection | undefined {
  const liars = Math.floor((sources - 1) / 2);
  const need = intervals.length - liars;
  if (need < 1) return undefined;
  const edges = intervals
    .flatMap(({ lowUs, highUs }) => [
      { atUs: lowUs, step: 1 },
      { atUs: highUs, step: -1 },
    ])
    // Where one begins and another ends, both cover the point.
    .toSorted((a, b) => a.atUs - b.atUs || b.step - a.step);
  let covering = 0;
  let most = 0;
  let [lowUs, highUs] = [Number.NaN, Number.NaN];
  let best: Interval = { lowUs, highUs };
  for (const [index, { atUs, step }] of edges.entries()) {
    if (step < 0 && covering >= need) highUs = atUs;
    covering += step;
    if (step > 0 && covering >= need && Number.isNaN(lowUs)) lowUs = atUs;
    if (covering > most) {
      most = covering;
      best = { lowUs: atUs, highUs: edges[index + 1]?.atUs ?? atUs };
    }
  }
  if (most < Math.max(need, liars + 1)) return undefined;
  const truechimers = intervals.map((one) => one.lowUs <= best.highUs && one.highUs >= best.lowUs);
  return { lowUs, highUs, truechimers };
}
