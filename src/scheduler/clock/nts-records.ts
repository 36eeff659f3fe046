/**
 * NTS key establishment as it is said within TLS (RFC 8915 section 4): records, each a type, a
 * length and a body. We ask for NTPv4 with AES-SIV; the answer grants both, hands out cookies and
 * may name another server and port for the time itself. It knows no socket and no key: those come
 * from TLS itself (`exporterContext`).
 */

export interface Granted {
  readonly is: 'granted';
  readonly cookies: readonly Uint8Array[];
  /** Who answers NTP; undefined: who answered here. */
  readonly host: string | undefined;
  readonly port: number | undefined;
}

export type Answer = Granted | { readonly is: 'refused'; readonly reason: string };

export const EXPORTER_LABEL = 'EXPORTER-network-time-security';
/** What an answer may have at most: eight cookies and a name are a tenth of it. */
export const ANSWER_BYTES_MAX = 16_384;
const HEADER = 4;
const CRITICAL = 0x8000;
const NTPV4 = 0;
const AES_SIV = 15;
const COOKIE_BYTES_MAX = 1_024;
const types = {
  ...{ end: 0, protocol: 1, error: 2, warning: 3, aead: 4, cookie: 5, server: 6, port: 7 },
} as const;
const errors = ['does not know a critical record', 'takes it for a bad request', 'has a fault'];

interface NtsRecord {
  readonly critical: boolean;
  readonly type: number;
  readonly body: Uint8Array;
}

/** What keys are made from: protocol, algorithm, and who sends. */
export function exporterContext(sender: 'client' | 'server'): Uint8Array {
  return Uint8Array.from([0, NTPV4, 0, AES_SIV, sender === 'client' ? 0 : 1]);
}

export function encodeRecord(type: number, body: Uint8Array, critical: boolean): Uint8Array {
  const bytes = new Uint8Array(HEADER + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type | (critical ? CRITICAL : 0));
  view.setUint16(2, body.length);
  bytes.set(body, HEADER);
  return bytes;
}

export function encodeAsking(): Uint8Array {
  const records = [
    encodeRecord(types.protocol, Uint8Array.from([0, NTPV4]), true),
    encodeRecord(types.aead, Uint8Array.from([0, AES_SIV]), true),
    encodeRecord(types.end, new Uint8Array(0), true),
  ];
  return Uint8Array.from(records.flatMap((record) => [...record]));
}

/** The records up to the end of the message; undefined where it has not all come yet. */
function recordsOf(bytes: Uint8Array): readonly NtsRecord[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: NtsRecord[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const [first, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const type = first & ~CRITICAL;
    const body = Uint8Array.from(bytes.subarray(at + HEADER, at + HEADER + length));
    if (body.length < length) return undefined;
    if (type === types.end) return records;
    records.push({ critical: (first & CRITICAL) !== 0, type, body });
    at += HEADER + length;
  }
  return undefined;
}

const refused = (reason: string): Answer => ({ is: 'refused', reason });

function word(body: Uint8Array): number | undefined {
  return body.length === 2 ? ((body[0] ?? 0) << 8) | (body[1] ?? 0) : undefined;
}

/** undefined: the answer goes on. */
export function readAnswer(bytes: Uint8Array): Answer | undefined {
  const records = recordsOf(bytes);
  if (!records) return undefined;
  const seen = new Map<number, Uint8Array>();
  const cookies: Uint8Array[] = [];
  for (const { critical, type, body } of records) {
    if (type === types.error) {
      return refused(`refuses keys: ${errors[word(body) ?? -1] ?? 'an unknown error'}`);
    }
    if (type === types.cookie) cookies.push(body);
    else if (type >= types.protocol && type <= types.port && type !== types.warning) {
      if (seen.has(type)) return refused('answers nonsense for keys (a record twice)');
      seen.set(type, body);
    } else if (critical) {
      return refused(`wants what we do not know (record ${type})`);
    }
  }
  return judge(seen, cookies);
}

function judge(seen: ReadonlyMap<number, Uint8Array>, cookies: readonly Uint8Array[]): Answer {
  const only = (type: number): number | undefined => word(seen.get(type) ?? new Uint8Array(0));
  if (only(types.protocol) !== NTPV4) return refused('gives no keys for NTPv4');
  if (only(types.aead) !== AES_SIV) return refused('gives no keys for AES-SIV-CMAC-256');
  if (cookies.length === 0) return refused('gives no cookies');
  if (cookies.some(({ length }) => length === 0 || length > COOKIE_BYTES_MAX)) {
    return refused('gives cookies of a size that is none');
  }
  const name = seen.get(types.server);
  const host = name && new TextDecoder('latin1').decode(name);
  if (host !== undefined && !/^[\x21-\x7e]{1,253}$/.test(host)) {
    return refused('names a server that is none');
  }
  const port = seen.has(types.port) ? only(types.port) : undefined;
  if (seen.has(types.port) && !port) return refused('names a port that is none');
  return { is: 'granted', cookies, host, port };
}
