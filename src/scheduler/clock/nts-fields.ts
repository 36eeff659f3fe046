/**
 * The extension fields of an NTP packet (RFC 7822), and how NTS seals one with them (RFC 8915
 * section 5): a random identifier, a cookie, room for more cookies, and last the seal over all
 * that stands before it. A reply is read from what the seal covers and from nothing else.
 */
import { NTP_BYTES } from './packet.ts';
import { sivOpen, sivSeal } from './siv.ts';

export interface Field {
  readonly type: number;
  readonly body: Uint8Array;
}

export interface Opened {
  /** What stands before the seal. */
  readonly fields: readonly Field[];
  /** What was encrypted within it; undefined: no seal, or it is not whole. */
  readonly hidden: readonly Field[] | undefined;
}

export const fieldTypes = {
  identifier: 0x0104,
  cookie: 0x0204,
  placeholder: 0x0304,
  seal: 0x0404,
} as const;

export const NONCE_BYTES = 16;
const HEADER = 4;
const FIELD_BYTES_MIN = 16;

const aligned = (length: number): number => Math.ceil(length / 4) * 4;

export function encodeField({ type, body }: Field): Uint8Array {
  const length = Math.max(FIELD_BYTES_MIN, HEADER + aligned(body.length));
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type);
  view.setUint16(2, length);
  bytes.set(body, HEADER);
  return bytes;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The packet, the fields and a seal over both; `hidden` fields are encrypted within it. */
export function sealPacket(
  key: Uint8Array,
  parts: {
    readonly header: Uint8Array;
    readonly fields: readonly Field[];
    readonly hidden?: readonly Field[];
    readonly nonce: Uint8Array;
  },
): Uint8Array {
  const { header, fields, hidden = [], nonce } = parts;
  const open = joined([header, ...fields.map(encodeField)]);
  const sealed = sivSeal(key, [open, nonce], joined(hidden.map(encodeField)));
  const body = new Uint8Array(HEADER + aligned(nonce.length) + aligned(sealed.length));
  const view = new DataView(body.buffer);
  view.setUint16(0, nonce.length);
  view.setUint16(2, sealed.length);
  body.set(nonce, HEADER);
  body.set(sealed, HEADER + aligned(nonce.length));
  return joined([open, encodeField({ type: fieldTypes.seal, body })]);
}

/** undefined: the fields are no fields. What stands behind the seal is not looked at. */
export function openPacket(key: Uint8Array, packet: Uint8Array): Opened | undefined {
  const fields: Field[] = [];
  let at = NTP_BYTES;
  while (at < packet.length) {
    const field = fieldAt(packet, at);
    if (!field) return undefined;
    if (field.type === fieldTypes.seal) {
      const plaintext = unseal(key, packet.subarray(0, at), field.body);
      return { fields, hidden: plaintext && fieldsOf(plaintext) };
    }
    fields.push(field);
    at += HEADER + field.body.length;
  }
  return { fields, hidden: undefined };
}

function fieldAt(bytes: Uint8Array, at: number): Field | undefined {
  if (at + HEADER > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint16(at + 2);
  if (length < HEADER || length % 4 !== 0 || at + length > bytes.length) return undefined;
  return {
    type: view.getUint16(at),
    body: Uint8Array.from(bytes.subarray(at + HEADER, at + length)),
  };
}

function fieldsOf(bytes: Uint8Array): readonly Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const field = fieldAt(bytes, at);
    if (!field) return undefined;
    fields.push(field);
    at += HEADER + field.body.length;
  }
  return fields;
}

function unseal(key: Uint8Array, open: Uint8Array, body: Uint8Array): Uint8Array | undefined {
  if (body.length < HEADER) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const [nonceBytes, sealedBytes] = [view.getUint16(0), view.getUint16(2)];
  const from = HEADER + aligned(nonceBytes);
  if (nonceBytes === 0 || from + sealedBytes > body.length) return undefined;
  const nonce = body.subarray(HEADER, HEADER + nonceBytes);
  return sivOpen(key, [open, nonce], body.subarray(from, from + sealedBytes));
}
