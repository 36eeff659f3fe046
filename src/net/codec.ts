/**
 * Bodies and frames out of the layout table, and back. What a body must hold, it holds; keys
 * nobody knows are passed over, so that a newer peer may say more; everything else is a
 * `ProtocolError` (decoding) or a bug of ours (encoding).
 *
 * Body: one map, integer keys of the registry, deterministic CBOR (PROTOCOL, "Bodies").
 */
import { ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { AnyBody, Shape } from './bodies.ts';
import { codeOf, layoutOfCode } from './codes.ts';
import { FLAG_AGAIN, FLAG_MORE, type Frame, sealFrame } from './frame.ts';
import { type ShapeName } from './key-types.ts';
import type { MessageKind, State } from './layout.ts';
import { planOf, reader, readMap, tooLarge, writeMap, writer } from './plan.ts';
import { keys } from './registry.ts';
import { type Fields, shapes } from './shapes.ts';

// ---- bodies: messages, journal records ----

export function encodeBody(layout: Fields, body: AnyBody): Uint8Array {
  writer.begin(0);
  writeMap(planOf(layout), body);
  return writer.finish();
}

/** Throws `ProtocolError` and nothing else, whatever the bytes. */
export function decodeBody(layout: Fields, bytes: Uint8Array): AnyBody {
  reader.begin(bytes);
  try {
    const body = readMap(planOf(layout), 1);
    reader.finish();
    return body;
  } finally {
    reader.release();
  }
}

export function encodeShape<S extends ShapeName>(name: S, value: Shape<S>): Uint8Array {
  return encodeBody(shapes[name], value);
}

export function decodeShape<S extends ShapeName>(name: S, bytes: Uint8Array): Shape<S> {
  return decodeBody(shapes[name], bytes) as unknown as Shape<S>;
}

/** A CBOR sequence (RFC 8742): the limits of a body hold for each of its maps. */
export function encodeSequence<S extends ShapeName>(
  name: S,
  values: readonly Shape<S>[],
): Uint8Array {
  return Buffer.concat(values.map((value) => encodeShape(name, value)));
}

/** Throws `ProtocolError` and nothing else, whatever the bytes. */
export function decodeSequence<S extends ShapeName>(
  name: S,
  bytes: Uint8Array,
): readonly Shape<S>[] {
  const values: Shape<S>[] = [];
  let rest = bytes;
  try {
    while (rest.length > 0) {
      reader.begin(rest);
      values.push(readMap(planOf(shapes[name]), 1) as unknown as Shape<S>);
      rest = reader.rest();
    }
    return values;
  } finally {
    reader.release();
  }
}

// ---- frames ----

export interface Message {
  readonly kind: MessageKind;
  readonly state: State;
  readonly id: number;
  readonly more?: boolean | undefined;
  readonly again?: boolean | undefined;
  readonly body: AnyBody;
}

export interface DecodedMessage extends Message {
  readonly more: boolean;
  readonly again: boolean;
  readonly flags: number;
}

/** Throws `LotcError` 'too-large' for what a peer would have to refuse. */
export function encodeFrame(message: Message): Uint8Array {
  const flags = (message.more ? FLAG_MORE : 0) | (message.again ? FLAG_AGAIN : 0);
  const { code, layout } = codeOf(message.kind, message.state);
  return encodeCoded(code, flags, message.id, layout, message.body);
}

/** For codes that are no message's: the ERR category. */
export function encodeCoded(
  code: number,
  flags: number,
  id: number,
  layout: Fields,
  body: AnyBody,
): Uint8Array {
  writer.begin(limits.headerBytes);
  writeMap(planOf(layout), body);
  const length = writer.at - limits.headerBytes;
  if (length > limits.bodyBytes) throw tooLarge(`a body of ${length} bytes`);
  if (writer.items > limits.cborItems) throw tooLarge(`a body of ${writer.items} items`);
  const frame = writer.finish();
  sealFrame(frame, { code, flags, id });
  return frame;
}

/** A piece of content as two pieces, the second of which is `data` itself: nothing is copied. */
export function encodeChunk(
  id: number,
  { offset, data, last }: { offset: number; data: Uint8Array; last: boolean },
): readonly [Uint8Array, Uint8Array] {
  writer.begin(limits.headerBytes);
  writer.map(2);
  writer.uint(keys.offset[0]);
  writer.uint(offset);
  writer.uint(keys.data[0]);
  writer.bytesHead(data.length);
  const head = writer.finish();
  const { code } = codeOf('fileChunk', 'REQ');
  sealFrame(head, { code, flags: last ? 0 : FLAG_MORE, id }, data);
  return [head, data];
}

/** Throws `ProtocolError` 'bad-code' where the code is nobody's. */
export function decodeFrame(frame: Frame): DecodedMessage {
  const coded = layoutOfCode(frame.code);
  if (!coded) throw new ProtocolError('bad-code', `unknown message code ${frame.code}`);
  const { flags, id } = frame;
  const body = decodeBody(coded.layout, frame.body);
  const more = (flags & FLAG_MORE) !== 0;
  return { kind: coded.kind, state: coded.state, id, flags, more, again: (flags & 1) !== 0, body };
}
