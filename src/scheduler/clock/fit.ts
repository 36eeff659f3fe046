/**
 * A line through the exchanges of one source: how far true time is ahead of the base clock, and
 * how fast that changes. Exchanges with a long delay say little and weigh little (chrony's idea:
 * weight by delay above the least); few exchanges say nothing about the rate, so the slope is
 * drawn to zero by a prior as wide as a bad crystal (30 ppm).
 */
import type { Sample } from './reply.ts';

export interface Fit {
  readonly aheadUs: number;
  /** µs a µs, and its standard deviation. */
  readonly rate: number;
  readonly rateError: number;
  /** Standard deviation of one undelayed exchange. */
  readonly noiseUs: number;
}

const RATE_PRIOR = 30e-6;
const NOISE_MIN_US = 5;

/** The line at `atUs` of the base clock. There is at least one sample. */
export function fit(samples: readonly Sample[], atUs: number): Fit {
  const weights = weigh(samples);
  let total = 0;
  let meanX = 0;
  let meanY = 0;
  const [first] = samples;
  const originX = first?.sentUs ?? 0;
  const originY = first?.aheadUs ?? 0;
  for (const [index, sample] of samples.entries()) {
    const weight = weights[index] ?? 0;
    total += weight;
    meanX += weight * ((sample.sentUs + sample.cameUs) / 2 - originX);
    meanY += weight * (sample.aheadUs - originY);
  }
  meanX /= total;
  meanY /= total;
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (const [index, sample] of samples.entries()) {
    const weight = weights[index] ?? 0;
    const x = (sample.sentUs + sample.cameUs) / 2 - originX - meanX;
    const y = sample.aheadUs - originY - meanY;
    xx += weight * x * x;
    xy += weight * x * y;
    yy += weight * y * y;
  }
  const free = Math.max(1, samples.length - 2);
  const left = xx > 0 ? Math.max(0, yy - (xy * xy) / xx) : yy;
  const variance = Math.max(NOISE_MIN_US ** 2, (left / total) * (samples.length / free));
  const spread = xx + variance / RATE_PRIOR ** 2;
  const rate = xy / spread;
  return {
    aheadUs: originY + meanY + rate * (atUs - originX - meanX),
    ...{ rate, rateError: Math.sqrt(variance / spread), noiseUs: Math.sqrt(variance) },
  };
}

function weigh(samples: readonly Sample[]): number[] {
  let least = Number.POSITIVE_INFINITY;
  for (const { delayUs } of samples) least = Math.min(least, delayUs);
  let extra = 0;
  for (const { delayUs } of samples) extra += delayUs - least;
  const mean = extra / samples.length;
  return samples.map(({ delayUs }) => {
    return mean > 0 ? (1 + (2 * (delayUs - least)) / mean) ** -2 : 1;
  });
}
