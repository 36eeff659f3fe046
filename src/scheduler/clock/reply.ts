/**
 * What one exchange proves. A request left at t1 and its reply came at t4 by the base clock; the
 * server had it from T2 to T3 by its own. Whatever the path did, true time minus base time lies
 * between T3 − t4 and T2 − t1, widened by how wrong the server itself may be: that interval is
 * hard, the middle of it (RFC 5905 section 8) is only an estimate.
 *
 * A reply that proves nothing is refused with the reason: one from somebody who did not see the
 * request, from a server that is not synchronised, too far from the root or out of order.
 */
import { type NtpReply, SERVER, type Stamp, sameStamp } from './packet.ts';

/** One exchange. True time minus base time is "ahead" throughout. */
export interface Sample {
  /** When the request left and the reply came, by the base clock. */
  readonly sentUs: number;
  readonly cameUs: number;
  readonly aheadUs: number;
  readonly lowUs: number;
  readonly highUs: number;
  readonly delayUs: number;
}

export interface Asked {
  readonly transmit: Stamp;
  readonly sentUs: number;
}

export type Verdict =
  | {
      readonly is: 'sample';
      readonly sample: Sample;
      readonly stratum: number;
      readonly leap: number;
    }
  | { readonly is: 'kiss'; readonly kiss: string }
  | { readonly is: 'refused'; readonly reason: string }
  /** Not the answer to this request: the answer may still come. */
  | { readonly is: 'foreign'; readonly reason: string };

/** Reading the clock and stamping a packet are not one instant. */
export const STAMP_ERROR_US = 5;
const ROOT_DISTANCE_MAX_US = 1_000_000;
const HELD_MAX_US = 1_000_000;
const UNSYNCHRONISED = 3;
const STRATUM_MAX = 15;

export function judgeReply(reply: NtpReply | undefined, asked: Asked, cameUs: number): Verdict {
  if (!reply) return { is: 'foreign', reason: 'answers nonsense (less than 48 bytes)' };
  const { mode, version, stratum, origin, leap } = reply;
  if (mode !== SERVER || version < 3 || version > 4) {
    return { is: 'foreign', reason: `answers nonsense (version ${version}, mode ${mode})` };
  }
  if (!sameStamp(origin, asked.transmit)) {
    return { is: 'foreign', reason: 'answers what was not asked (wrong origin stamp)' };
  }
  if (stratum === 0) return { is: 'kiss', kiss: reply.kiss };
  if (leap === UNSYNCHRONISED || stratum > STRATUM_MAX) {
    return { is: 'refused', reason: 'says that it is not synchronised' };
  }
  const sample = sampleOf(reply, asked.sentUs, cameUs);
  return typeof sample === 'string'
    ? { is: 'refused', reason: sample }
    : { is: 'sample', sample, stratum, leap };
}

function sampleOf(reply: NtpReply, askedUs: number, cameUs: number): Sample | string {
  const { receivedUs, sentUs, rootDelayUs, rootDispersionUs, precisionUs } = reply;
  const rootUs = rootDelayUs / 2 + rootDispersionUs;
  if (rootUs >= ROOT_DISTANCE_MAX_US) return 'is too far from its own source (root distance)';
  if (sentUs < receivedUs || sentUs - receivedUs > HELD_MAX_US) {
    return 'says it answered before it was asked, or long after';
  }
  const sample = exchange({
    ...{ t1: askedUs, t2: receivedUs, t3: sentUs, t4: cameUs },
    errorUs: rootUs + precisionUs,
  });
  return sample ?? 'says it had the request for longer than the exchange took';
}

export interface FourStamps {
  /** Base clock. */
  readonly t1: number;
  /** The other's true time. */
  readonly t2: number;
  readonly t3: number;
  readonly t4: number;
  /** How wrong the other may be. */
  readonly errorUs: number;
}

/** The interval of an exchange; undefined where its stamps contradict each other. */
export function exchange({ t1, t2, t3, t4, errorUs }: FourStamps): Sample | undefined {
  const marginUs = errorUs + STAMP_ERROR_US;
  const lowUs = t3 - t4 - marginUs;
  const highUs = t2 - t1 + marginUs;
  if (!(lowUs <= highUs) || t4 < t1) return undefined;
  const delayUs = Math.max(0, t4 - t1 - (t3 - t2));
  return { sentUs: t1, cameUs: t4, aheadUs: (t2 - t1 + t3 - t4) / 2, lowUs, highUs, delayUs };
}
