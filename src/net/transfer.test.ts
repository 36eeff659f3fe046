import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { InboundTransfer, OutboundTransfer } from './transfer.ts';

const content = new Uint8Array(300_000).map((_, n) => n % 251);

test('content arrives whole, in order, within the window, however it is offered and drained', () => {
  const sizes = fc.array(fc.integer({ min: 300, max: 40_000 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.nat(300_000),
      fc.nat(300_000),
      fc.integer({ min: 500, max: 100_000 }),
      sizes,
      sizes,
      (size, start, windowBytes, offers, drains) => {
        const sizeBytes = Math.max(size, start);
        const offset = Math.min(size, start);
        const inbound = new InboundTransfer({ offset, sizeBytes, windowBytes });
        const outbound = new OutboundTransfer({ offset, sizeBytes, credit: inbound.credit });
        const got: Uint8Array[] = [];
        let most = 0;
        for (let turn = 0; !inbound.ended; turn += 1) {
          const room = Math.min(outbound.roomBytes, offers[turn % offers.length] ?? 1);
          const at = outbound.nextOffset;
          outbound.offer(content.subarray(at, at + room));
          for (let chunk = outbound.pull(); chunk; chunk = outbound.pull()) {
            inbound.receive(chunk);
            got.push(chunk.data);
          }
          most = Math.max(most, inbound.heldBytes);
          const drained = Math.min(inbound.heldBytes, drains[turn % drains.length] ?? 1);
          const credit = inbound.drain(drained);
          if (credit !== undefined) outbound.raise(credit);
          if (turn > 2000) throw new Error('the transfer stands still');
        }
        expect(most).toBeLessThanOrEqual(windowBytes);
        expect(outbound.done).toBe(true);
        expect(outbound.pull()).toBeUndefined();
        const whole = Buffer.concat(got);
        expect(Buffer.compare(whole, content.subarray(offset, sizeBytes))).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});

test('nothing is sent beyond the credit, and a credit never falls', () => {
  const outbound = new OutboundTransfer({ offset: 0, sizeBytes: 100_000, credit: 20_000 });
  expect(outbound.roomBytes).toBe(20_000);
  outbound.offer(content.subarray(0, 50_000));
  expect(outbound.pull()?.data.length).toBe(limits.chunkBytes);
  expect(outbound.pull()?.data.length).toBe(20_000 - limits.chunkBytes);
  expect(outbound.pull()).toBeUndefined();
  outbound.raise(10_000);
  expect(outbound.pull()).toBeUndefined();
  outbound.raise(20_001);
  expect(outbound.pull()?.data.length).toBe(1);
});

test('empty content is one empty last chunk', () => {
  const outbound = new OutboundTransfer({ offset: 7, sizeBytes: 7, credit: 7 });
  expect(outbound.pull()).toEqual({ offset: 7, data: new Uint8Array(0), last: true });
  expect(outbound.done).toBe(true);
});

test.each([
  ['a gap', { offset: 11, length: 5, last: false }, 'bad-field'],
  ['a repeat', { offset: 9, length: 5, last: false }, 'bad-field'],
  ['an overrun', { offset: 10, length: 101, last: false }, 'credit-overrun'],
  ['more than announced', { offset: 10, length: 91, last: false }, 'bad-field'],
  ['an early end', { offset: 10, length: 89, last: true }, 'bad-field'],
])('%s ends the session', (_, { offset, length, last }, fault) => {
  const inbound = new InboundTransfer({ offset: 10, sizeBytes: 100, windowBytes: 100 });
  const data = new Uint8Array(length);
  expect(() => inbound.receive({ offset, data, last })).toThrow(expect.objectContaining({ fault }));
});

test('a chunk that is too large, and one behind the last, are refused', () => {
  const inbound = new InboundTransfer({ offset: 0 });
  const data = new Uint8Array(limits.chunkBytes + 1);
  expect(() => inbound.receive({ offset: 0, data, last: false })).toThrow('a chunk of');
  inbound.receive({ offset: 0, data: data.subarray(1), last: true });
  const behind = { offset: limits.chunkBytes, data, last: true };
  expect(() => inbound.receive(behind)).toThrow('behind the last');
});
