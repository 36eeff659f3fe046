import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeReply, encodeRequest, NTP_BYTES, writeStamp } from './packet.ts';
import { type Asked, judgeReply } from './reply.ts';

const NOW_US = Date.UTC(2026, 10, 24) * 1000;
const transmit = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
const asked: Asked = { transmit, sentUs: 1_000_000 };

interface Wish {
  readonly leap?: number;
  readonly version?: number;
  readonly mode?: number;
  readonly stratum?: number;
  readonly kiss?: string;
  readonly rootDelay?: number;
  readonly rootDispersion?: number;
  readonly origin?: Uint8Array;
  readonly receivedUs?: number;
  readonly sentUs?: number;
}

function reply(wish: Wish = {}): Uint8Array {
  const bytes = new Uint8Array(NTP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = ((wish.leap ?? 0) << 6) | ((wish.version ?? 4) << 3) | (wish.mode ?? 4);
  bytes[1] = wish.stratum ?? 1;
  view.setInt8(3, -20);
  view.setUint32(4, wish.rootDelay ?? 0);
  view.setUint32(8, wish.rootDispersion ?? 0);
  bytes.set(new TextEncoder().encode(wish.kiss ?? 'GPS'), 12);
  bytes.set(wish.origin ?? transmit, 24);
  const receivedUs = wish.receivedUs ?? NOW_US;
  writeStamp(view, 32, receivedUs);
  writeStamp(view, 40, wish.sentUs ?? receivedUs + 50);
  return bytes;
}

const judge = (wish: Wish, cameUs = 1_010_050) =>
  judgeReply(decodeReply(reply(wish)), asked, cameUs);

test('a request is 48 bytes that tell nothing but version, mode and a random stamp', () => {
  const bytes = encodeRequest(transmit);
  expect([...bytes]).toEqual([0x23, ...Array<number>(39).fill(0), ...transmit]);
});

test('an exchange proves an interval around the middle', () => {
  const verdict = judge({ rootDelay: 65.536 * 2, rootDispersion: 65.536 });
  if (verdict.is !== 'sample') throw new Error(JSON.stringify(verdict));
  const { sample } = verdict;
  expect(sample.delayUs).toBeCloseTo(10_000, 0);
  expect(sample.aheadUs).toBeCloseTo(NOW_US - 1_005_000, -1);
  // Half the delay, the root's 2 ms, the server's precision and 5 µs for stamps.
  expect((sample.highUs - sample.lowUs) / 2).toBeCloseTo(5_000 + 2_000, -2);
});

test.each<[string, Wish, string]>([
  ['LI 3', { leap: 3 }, 'says that it is not synchronised'],
  ['stratum 16', { stratum: 16 }, 'says that it is not synchronised'],
  ['a root far away', { rootDispersion: 65_536 }, 'is too far from its own source (root distance)'],
  [
    'T3 before T2',
    { receivedUs: NOW_US, sentUs: NOW_US - 10 },
    'says it answered before it was asked, or long after',
  ],
  [
    'a late T3',
    { receivedUs: NOW_US, sentUs: NOW_US + 1_500_000 },
    'says it answered before it was asked, or long after',
  ],
  [
    'held longer than the exchange took',
    { receivedUs: NOW_US, sentUs: NOW_US + 500_000 },
    'says it had the request for longer than the exchange took',
  ],
])('%s is refused with the reason', (_, wish, reason) => {
  expect(judge(wish)).toEqual({ is: 'refused', reason });
});

test.each<[string, Wish]>([
  ['another origin', { origin: new Uint8Array(8) }],
  ['a client', { mode: 3 }],
  ['version 2', { version: 2 }],
])('%s is no answer to the request, and the answer may still come', (_, wish) => {
  expect(judge(wish).is).toBe('foreign');
});

test('stratum 0 is a kiss, and only with the right origin', () => {
  expect(judge({ stratum: 0, kiss: 'RATE', leap: 3 })).toEqual({ is: 'kiss', kiss: 'RATE' });
  expect(judge({ stratum: 0, kiss: 'DENY', origin: new Uint8Array(8) }).is).toBe('foreign');
});

test('stamps go over the end of the era in 2036, and stay within a microsecond', () => {
  const view = new DataView(new ArrayBuffer(NTP_BYTES));
  const lastUs = Date.UTC(2150, 0, 1) * 1000;
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2020, 0, 2) * 1000, max: lastUs }), (us) => {
      writeStamp(view, 32, us);
      const read = decodeReply(new Uint8Array(view.buffer))?.receivedUs ?? 0;
      expect(Math.abs(read - us)).toBeLessThanOrEqual(1);
    }),
  );
  view.setUint32(32, 0);
  view.setUint32(36, 0);
  const era1 = decodeReply(new Uint8Array(view.buffer))?.receivedUs;
  expect(era1).toBe(Date.UTC(2036, 1, 7, 6, 28, 16) * 1000);
});

test('whatever arrives is judged without a throw, and proves nothing unasked', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0 }), (bytes, cameUs) => {
      expect(judgeReply(decodeReply(bytes), asked, cameUs).is).toBe('foreign');
    }),
  );
});
