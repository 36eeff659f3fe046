import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { encodeFrame } from './codec.ts';
import { ByteQueue, type Frame, FrameReader, sealFrame } from './frame.ts';

const frames = [
  encodeFrame({ kind: 'ping', state: 'REQ', id: 1, body: {} }),
  encodeFrame({ kind: 'synReport', state: 'OK', id: 2, body: { seq: 5 } }),
  encodeFrame({
    ...{ kind: 'fileChunk', state: 'REQ', id: 3, more: true },
    body: { offset: 7, data: new Uint8Array(5000).fill(9) },
  }),
  encodeFrame({ kind: 'retQuery', state: 'REQ', id: 5, again: true, body: { query: 'nodes' } }),
];
const stream = Buffer.concat(frames);

interface Outcome {
  readonly frames: readonly Frame[];
  readonly fault: string | undefined;
}

function read(pieces: readonly Uint8Array[], bodyBytesMax: number = limits.bodyBytes): Outcome {
  const reader = new FrameReader();
  reader.bodyBytesMax = bodyBytesMax;
  const seen: Frame[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    try {
      for (let frame = reader.next(); frame; frame = reader.next()) {
        seen.push({ ...frame, body: new Uint8Array(frame.body) });
      }
    } catch (error) {
      if (error instanceof ProtocolError) return { frames: seen, fault: error.fault };
      throw error;
    }
  }
  return { frames: seen, fault: undefined };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((at) => at % (bytes.length + 1)), bytes.length];
  sorted.sort((a, b) => a - b);
  return sorted.slice(1).map((end, n) => bytes.subarray(sorted[n], end));
}

const changed = (at: number, value: number): Uint8Array => {
  const bytes = Buffer.from(frames[3] as Uint8Array);
  bytes[at] = value;
  return bytes;
};

test('every single cut and byte by byte give the same frames', () => {
  const whole = read([stream]);
  expect(whole.frames).toHaveLength(4);
  for (let at = 0; at <= 200; at += 1) expect(read(cut(stream, [at]))).toEqual(whole);
  expect(read([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});

test('any cut of good, damaged or random bytes gives the same frames and the same fault', () => {
  const damaged = fc
    .array(fc.tuple(fc.nat(stream.length - 1), fc.nat(255)), { maxLength: 3 })
    .map((changes) => {
      const bytes = Buffer.from(stream);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const anyBytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 100 }));
  fc.assert(
    fc.property(anyBytes, fc.array(fc.nat(), { maxLength: 40 }), (bytes, places) => {
      expect(read(cut(bytes, places))).toEqual(read([bytes]));
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['another magic', changed(0, 0x47), 'bad-magic'],
  ['another version', changed(4, 3), 'bad-version'],
  ['an unknown critical flag', changed(6, 0x02), 'bad-flags'],
  ['another length', changed(8, 0xff), 'body-too-large'],
  ['another code', changed(5, 0x00), 'bad-checksum'],
  ['another id', changed(15, 0x77), 'bad-checksum'],
  ['another checksum', changed(16, 0x77), 'bad-checksum'],
  ['another body', changed(21, 0x77), 'bad-checksum'],
])('%s is refused', (_, bytes, fault) => {
  expect(read([bytes])).toEqual({ frames: [], fault });
});

test('an unknown ignorable flag is let through', () => {
  const frame = Buffer.from(encodeFrame({ kind: 'ping', state: 'REQ', id: 1, body: {} }));
  sealFrame(frame, { code: 0xc0, flags: 0x0080, id: 1 });
  expect(read([frame]).frames).toMatchObject([{ code: 0xc0, flags: 0x0080, id: 1 }]);
});

test('a length over the limit is refused with the header alone', () => {
  const chunk = frames[2] as Uint8Array;
  expect(read([chunk.subarray(0, 20)], 5000).fault).toBe('body-too-large');
  expect(read([chunk.subarray(0, 19)], 5000).fault).toBeUndefined();
  const length = chunk.length - limits.headerBytes;
  expect(read([chunk], length).frames).toHaveLength(1);
  expect(new FrameReader().bodyBytesMax).toBe(limits.bodyBytesBeforeHello);
});

test('a frame within one chunk is a view, not a copy', () => {
  const reader = new FrameReader();
  reader.push(stream);
  expect(reader.next()?.body.buffer).toBe(stream.buffer);
});

test('a queue gives back what was put in, and tiny pieces do not cost an object each', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 20 }),
      fc.array(fc.nat(4000), { maxLength: 20 }),
      (pieces, takes) => {
        const queue = new ByteQueue();
        const left: Buffer[] = [Buffer.concat(pieces)];
        for (const piece of pieces) queue.push(piece);
        for (const count of takes) {
          const all = left[0] as Buffer;
          const n = Math.min(count, queue.length);
          expect(Buffer.compare(queue.take(n), all.subarray(0, n))).toBe(0);
          left[0] = all.subarray(n);
          expect(queue.length).toBe(all.length - n);
        }
      },
    ),
  );
});
