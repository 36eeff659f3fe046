/**
 * Frames that somebody broke: golden frames with bytes flipped, cut, grown, repeated, nested, with
 * lengths that lie, codes of the future, values of foreign types and plain noise; half of them
 * sealed again, so that what is behind the checksum is reached too. A seed says it all.
 */
import { Prng } from '../../src/base/prng.ts';
import { sealFrame } from '../../src/net/frame.ts';
import { Capture } from './capture.ts';
import { readVectors } from './vector.ts';

/** Heads a reader must survive: tags, breaks, huge counts, infinities, simple values. */
const foreign = [
  ...[
    'c1',
    'ff',
    '5f',
    '7f',
    '9f',
    'bf',
    'f6',
    'f7',
    'e0',
    'f97c00',
    'f97e00',
    'fb7ff0000000000000',
  ],
  ...['9b7fffffffffffffff', 'bb00000000ffffffff', '5bffffffffffffffff', '7a7fffffff', '1c', '3f'],
  ...['1bffffffffffffffff', '3bffffffffffffffff', 'a0', '80', '60', '40', 'f4', '00', '20'],
].map((hex) => Buffer.from(hex, 'hex'));

type Mutate = (frame: Buffer, prng: Prng) => Buffer;

const place = (frame: Buffer, prng: Prng, from = 0): number =>
  from + prng.int(0, Math.max(0, frame.length - from - 1));

const mutations: readonly Mutate[] = [
  (frame, prng) => {
    frame[place(frame, prng)] = prng.int(0, 255);
    return frame;
  },
  (frame, prng) => {
    frame[place(frame, prng, 20)] = prng.int(0, 255);
    return frame;
  },
  (frame, prng) => frame.subarray(0, place(frame, prng)),
  (frame, prng) => {
    const at = place(frame, prng, 20);
    const thing = prng.pick(foreign);
    return Buffer.concat([frame.subarray(0, at), thing, frame.subarray(at + prng.int(0, 3))]);
  },
  (frame, prng) => {
    const at = place(frame, prng, 20);
    const nest = Buffer.alloc(1 + prng.int(0, 399), prng.int(0, 1) === 0 ? 0x81 : 0xa1);
    return Buffer.concat([frame.subarray(0, at), nest, frame.subarray(at)]);
  },
  (frame, prng) => {
    const lengths = [0, 1, 19, 20, 0xffff, 0x100000, 0x100001, 0x7fffffff, 0xffffffff];
    if (frame.length >= 12) frame.writeUInt32BE(prng.pick(lengths), 8);
    return frame;
  },
  (frame, prng) => {
    frame[5] = prng.int(0, 255);
    return frame;
  },
  (frame, prng) => {
    frame[6 + prng.int(0, 1)] = prng.int(0, 255);
    return frame;
  },
  (frame, prng) => {
    if (frame.length >= 16) frame.writeUInt32BE(prng.pick([0, 1, 2, 0xffffffff]), 12);
    return frame;
  },
  (frame, prng) => {
    const at = place(frame, prng, 20);
    const to = place(frame, prng, 20);
    return Buffer.concat([frame, frame.subarray(Math.min(at, to), Math.max(at, to))]);
  },
  // Nothing of a frame at all, or of its body.
  (frame, prng) => {
    const kept = prng.pick([0, 4, 8, 20]);
    const noise = Buffer.from(Array.from({ length: prng.int(1, 400) }, () => prng.int(0, 255)));
    return Buffer.concat([frame.subarray(0, kept), noise]);
  },
];

const goldens = readVectors().map(({ hex, state }) => ({ frame: Buffer.from(hex, 'hex'), state }));

const FRAMES_A_STREAM = 20;

/** A capture of so many broken frames, each a segment of its own, among whole ones. */
export function brokenCapture(seed: number, frames: number): Capture {
  const prng = new Prng(seed);
  const capture = new Capture(prng.int(0, 3) === 0 ? 120 : undefined);
  let stream = capture.stream();
  for (let number = 0; number < frames; number += 1) {
    if (number % FRAMES_A_STREAM === 0) {
      stream = capture.stream({ clientPort: 10_000 + (number % 50_000) });
    }
    const golden = prng.pick(goldens);
    let frame: Buffer = Buffer.from(golden.frame);
    for (let left = prng.int(0, 3); left >= 0; left -= 1) {
      frame = Buffer.from(prng.pick(mutations)(frame, prng));
    }
    if (frame.length >= 20 && prng.int(0, 1) === 0) {
      const flags = frame.readUInt16BE(6);
      sealFrame(frame, { code: frame[5] ?? 0, flags, id: frame.readUInt32BE(12) });
    }
    stream.send(golden.state === 'REQ' ? 'client' : 'server', frame, { mss: 1_400 });
  }
  return capture;
}
