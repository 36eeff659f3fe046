/**
 * From what each source proves to one true time: who is believed, where readings are put, and
 * what is said when something is wrong. It knows no socket and no clock: exchanges and the base
 * clock's instants come in, what is to be published goes out.
 *
 * Readings move to a new estimate within a second, or by 2 % where that is too fast, so they never
 * go back; they jump only where what was proven before and now has nothing in common. One source
 * that contradicts itself may mean that the base clock jumped (a virtual machine that was
 * paused): until enough others have answered since, nothing is proven. A source that cried so
 * alone is not heard in this for ten minutes.
 */
import { aheadAt, nothing, type Published, provenAt, type Status } from './reading.ts';
import type { Sample } from './reply.ts';
import { select } from './select.ts';
import type { Drift, Interval, TimeSource } from './source.ts';

const SLEW_WITHIN_US = 1e6;
const SLEW_MIN = 500e-6;
const SLEW_MAX = 20_000e-6;
const UNHEARD_US = 600e6;
/** Sources whose interval is so much wider than the best one's do not steer. */
const WIDE = 3;

interface Candidate {
  readonly source: TimeSource;
  readonly interval: Interval;
}

export class Discipline {
  readonly sources = new Set<TimeSource>();
  #published: Published = nothing;
  #truechimers = new Set<TimeSource>();
  #suspendedUs = 0;
  /** Since when the base clock is in doubt, and by whom. */
  #doubt: { sinceUs: number; by: Set<TimeSource> } | undefined;
  readonly #unheard = new Map<TimeSource, number>();
  /** Added to how fast truth may move: a smeared leap second. */
  smear = 0;
  /** Its sources do not know the time themselves: all that is proven is the way to them. */
  relative = false;

  get published(): Published {
    return this.#published;
  }

  isTruechimer(source: TimeSource): boolean {
    return this.#truechimers.has(source);
  }

  /** Takes an exchange, and the base clock's instant; true where readings jumped. */
  add(source: TimeSource, sample: Sample, atUs: number): boolean {
    const jumped = source.add(sample);
    if (jumped && (this.#unheard.get(source) ?? Number.NEGATIVE_INFINITY) <= atUs) {
      this.#doubt ??= { sinceUs: sample.sentUs, by: new Set() };
      this.#doubt.by.add(source);
    }
    return this.update(atUs);
  }

  /** The machine was suspended: the base clock stood still, and what was proven is void. */
  suspended(suspendedUs: number, atUs: number): void {
    const sleptUs = suspendedUs - this.#suspendedUs;
    this.#suspendedUs = suspendedUs;
    for (const source of this.sources) source.forget();
    this.#doubt = undefined;
    const from = this.#published;
    if (from.status === 'none') return;
    this.#say('disturbed', atUs, {
      ...{ aheadUs: aheadAt(from, atUs) + sleptUs, slewUs: 0, suspendedUs },
      ...{ proven: nothing.proven, generation: from.generation + 1 },
    });
  }

  /** Looks again at what all sources prove; true where readings jumped. */
  update(atUs: number): boolean {
    const sources = [...this.sources].filter(({ isGone }) => !isGone);
    const known = sources.filter(({ count }) => count > 0);
    if (!known.some(({ reach }) => reach !== 0)) {
      if (this.#published.status === 'synchronised') this.#say('holdover', atUs);
      return false;
    }
    const candidates = known
      .filter(({ newest }) => (newest?.sentUs ?? 0) >= (this.#doubt?.sinceUs ?? 0))
      .map((source) => ({ source, interval: this.#interval(source, atUs) }));
    const selection = select(
      candidates.map(({ interval }) => interval),
      sources.length,
    );
    if (!selection) {
      const waiting = this.#doubt !== undefined && candidates.length < known.length;
      if (!waiting) this.#settle(atUs, sources.length);
      this.#leave(waiting ? 'disturbed' : 'no majority', atUs);
      return false;
    }
    this.#settle(atUs, sources.length);
    const believed = candidates.filter((_, index) => selection.truechimers[index]);
    this.#truechimers = new Set(believed.map(({ source }) => source));
    return this.#follow(selection, believed, atUs);
  }

  #interval(source: TimeSource, atUs: number): Interval {
    const drift = this.#drift(source, atUs);
    return source.interval(atUs, drift);
  }

  #drift(source: TimeSource, atUs: number): Drift {
    const { low, high } = source.drift(atUs);
    return { low: low - this.smear, high: high + this.smear };
  }

  #settle(atUs: number, sources: number): void {
    const [only] = this.#doubt?.by ?? [];
    if (only && sources > 2 && this.#doubt?.by.size === 1) {
      this.#unheard.set(only, atUs + UNHEARD_US);
    }
    this.#doubt = undefined;
  }

  /** Nobody is followed: readings go on as they did. In doubt nothing is proven any more. */
  #leave(status: Status, atUs: number): void {
    if (status === 'no majority') this.#truechimers = new Set();
    if (this.#published.status === 'none') return;
    const disturbed = status === 'disturbed' || this.#published.status === 'disturbed';
    this.#say(status, atUs, disturbed ? { proven: nothing.proven } : {});
  }

  #follow(proven: Interval, believed: readonly Candidate[], atUs: number): boolean {
    const from = this.#published;
    const { aheadUs: wanted, rate } = combine(believed, proven, atUs);
    const before = provenAt(from, atUs);
    const apart = before.lowUs > proven.highUs || before.highUs < proven.lowUs;
    const jump = apart || !Number.isFinite(before.highUs - before.lowUs);
    const drifts = believed.map(({ source }) => this.#drift(source, atUs));
    const drift = {
      low: Math.min(...drifts.map(({ low }) => low)),
      high: Math.max(...drifts.map(({ high }) => high)),
    };
    const aheadUs = jump ? wanted : aheadAt(from, atUs);
    const wayUs = wanted - aheadUs;
    const speed = Math.min(Math.max(Math.abs(wayUs) / SLEW_WITHIN_US, SLEW_MIN), SLEW_MAX);
    this.#published = {
      ...{ refUs: atUs, aheadUs, rate, slewRate: Math.sign(wayUs) * speed },
      ...{ slewUs: Math.abs(wayUs) / speed, drift, status: 'synchronised' },
      proven: { lowUs: proven.lowUs, highUs: proven.highUs },
      ...{ suspendedUs: this.#suspendedUs, relative: this.relative },
      generation: from.generation + (jump ? 1 : 0),
      stratum: Math.min(...believed.map(({ source }) => source.stratum ?? 15)) + 1,
    };
    return jump;
  }

  /** The same lines said for a later instant, and what has changed. */
  #say(status: Status, atUs: number, changed: Partial<Published> = {}): void {
    const from = this.#published;
    const slewUs = Math.max(0, from.slewUs - (atUs - from.refUs));
    const aheadUs = aheadAt(from, atUs);
    const proven = provenAt(from, atUs);
    this.#published = { ...from, refUs: atUs, aheadUs, slewUs, proven, status, ...changed };
  }
}

/** The believed sources' estimates, the tighter ones the heavier, within what is proven. */
function combine(
  believed: readonly Candidate[],
  { lowUs, highUs }: Interval,
  atUs: number,
): { aheadUs: number; rate: number } {
  const half = ({ interval }: Candidate): number => (interval.highUs - interval.lowUs) / 2;
  const least = Math.min(...believed.map(half));
  const [first] = believed;
  const origin = first?.interval.lowUs ?? 0;
  let [total, ahead, rate] = [0, 0, 0];
  for (const one of believed) {
    const estimate = one.source.estimate(atUs);
    const wide = half(one);
    if (!estimate || wide > WIDE * least) continue;
    const weight = 1 / Math.max(wide, 1);
    total += weight;
    ahead += weight * (estimate.aheadUs - origin);
    rate += weight * estimate.rate;
  }
  const aheadUs = origin + ahead / total;
  return { aheadUs: Math.min(Math.max(aheadUs, lowUs), highUs), rate: rate / total };
}
