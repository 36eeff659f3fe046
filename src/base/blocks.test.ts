import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockQueue, blockBytes, giveBlock, takeBlock } from './blocks.ts';

test('bytes come out as they went in, however they are put, given and freed', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 2 * blockBytes + 5 }), { maxLength: 12 });
  const frees = fc.array(fc.integer({ min: 1, max: blockBytes }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(sizes, frees, (puts, amounts) => {
      const queue = new BlockQueue();
      let [written, read, freed] = [0, 0, 0];
      const held: { readonly at: number; readonly bytes: Uint8Array }[] = [];
      for (const [turn, size] of puts.entries()) {
        queue.put(Uint8Array.from({ length: size }, (_, n) => (written + n) % 251));
        written += size;
        for (let part = queue.next(); part; part = queue.next()) {
          held.push({ at: read, bytes: part });
          read += part.length;
        }
        const count = Math.min(read - freed, amounts[turn % amounts.length] ?? 1);
        // What is not freed yet is still what it was.
        for (const { at, bytes } of held.filter((one) => one.at + one.bytes.length > freed)) {
          for (let n = 0; n < bytes.length; n += 97) expect(bytes[n]).toBe((at + n) % 251);
        }
        queue.free(count);
        freed += count;
      }
      expect(read).toBe(written);
    }),
    { numRuns: 30 },
  );
});

test('a block that was given back is used again', () => {
  const queue = new BlockQueue();
  queue.put(new Uint8Array(10));
  const view = queue.next();
  queue.free(10);
  const again = takeBlock();
  expect(again.buffer).toBe(view?.buffer);
  giveBlock(again);
});
