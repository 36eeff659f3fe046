/** The golden vectors, both ways. */
import { expect, test } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { limits } from '../../src/base/limits.ts';
import { decodeFrame, encodeFrame } from '../../src/net/codec.ts';
import { layoutOfCode } from '../../src/net/codes.ts';
import { decodeErrorFrame, encodeErrorFrame } from '../../src/net/error-frame.ts';
import { type Frame, FrameReader } from '../../src/net/frame.ts';
import { lacksOf } from './lacks.ts';
import { fromJson, readBadVectors, readVectors, toJson } from './vector.ts';

const vectors = readVectors();
const refused = readBadVectors();

function read(hex: string): Frame | undefined {
  const reader = new FrameReader();
  reader.bodyBytesMax = limits.bodyBytes;
  reader.push(Buffer.from(hex, 'hex'));
  return reader.next();
}

test('every message has a vector in each of its states', () => {
  const shown = new Set(vectors.map(({ code }) => code));
  const missing = Array.from({ length: 256 }, (_, code) => layoutOfCode(code))
    .filter((coded) => coded !== undefined && !shown.has(coded.code))
    .map((coded) => `${coded?.kind} ${coded?.state}`);
  expect(missing, 'run: node scripts/make-vectors.ts').toEqual([]);
});

test('every key of every message and shape is in one', () => {
  const missing = lacksOf(vectors).map(
    ({ kind, state, names }) => `${kind} ${state}: ${names.join(' ')}`,
  );
  expect(missing, 'run: node scripts/make-vectors.ts').toEqual([]);
});

test('a key that no vector has is missed, in a body and in a shape', () => {
  const without = (name: string): string[] =>
    lacksOf(vectors.filter(({ body }) => !JSON.stringify(body).includes(`"${name}":`))).flatMap(
      ({ kind, state, names }) => names.map((one) => `${kind} ${state} ${one}`),
    );
  expect(without('credit')).toContain('fileCredit REQ credit');
  // Of the shape of a spec, and told of by the first message that holds one.
  expect(without('slots')).toContain('taskAdd REQ slots');
});

test.each(vectors)('$name reads as it says', ({ hex, name, ...vector }) => {
  const frame = read(hex);
  const message = frame && decodeFrame(frame);
  expect(frame?.code).toBe(vector.code);
  const { kind, state, id, more, again, body } = message ?? {};
  const got = { name, kind, state, code: frame?.code, id, more, again, body: toJson(body) };
  expect(got).toEqual({ name, ...vector });
});

test.each(vectors)('$name is written so', ({ kind, state, id, more, again, body, hex }) => {
  const frame = encodeFrame({ kind, state, id, more, again, body: fromJson(body) });
  expect(Buffer.from(frame).toString('hex')).toBe(hex);
});

test.each(refused)('refused: $name', ({ name, fault, hex, answer }) => {
  const judge = (): void => {
    const frame = read(hex);
    if (frame) decodeFrame(frame);
  };
  expect(judge).toThrow(ProtocolError);
  expect(judge).toThrow(expect.objectContaining({ fault }));
  const told = encodeErrorFrame(new ProtocolError(fault, name), fault === 'bad-code' ? 7 : 0);
  expect(Buffer.from(told).toString('hex')).toBe(answer);
  expect(decodeErrorFrame(read(answer) as Frame)).toMatchObject({ fault, message: name });
});
