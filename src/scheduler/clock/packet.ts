/**
 * NTP version 4 on the wire (RFC 5905 section 7.3): the 48 bytes of a request and of a reply.
 *
 * A request tells nothing: all zero but version, mode and a random transmit stamp, which the
 * reply has to bring back (RFC 9109 and draft-ietf-ntp-data-minimization; the port is random too,
 * that is the socket's). Stamps are 32.32 seconds since 1900 and wrap in 2036: what lies before
 * 2020 belongs to the next era, so the host's own clock is not needed to read them.
 */

/** A stamp as it travels: eight bytes, compared and never read where it is random. */
export type Stamp = Uint8Array;

export interface NtpReply {
  /** 0 none, 1 a second is inserted, 2 one is deleted at the month's end, 3 not synchronised. */
  readonly leap: number;
  readonly version: number;
  readonly mode: number;
  /** 0 is a kiss of death: `kiss` says which. */
  readonly stratum: number;
  readonly kiss: string;
  readonly precisionUs: number;
  readonly rootDelayUs: number;
  readonly rootDispersionUs: number;
  readonly origin: Stamp;
  /** µs since 1970. */
  readonly receivedUs: number;
  readonly sentUs: number;
}

export const NTP_BYTES = 48;
export const STAMP_BYTES = 8;
const CLIENT = 3;
export const SERVER = 4;
const VERSION = 4;
const SECONDS_1900_TO_1970 = 2_208_988_800;
const SECONDS_1900_TO_2020 = 3_786_825_600;
const ERA_SECONDS = 2 ** 32;

export function encodeRequest(transmit: Stamp): Uint8Array {
  const bytes = new Uint8Array(NTP_BYTES);
  bytes[0] = (VERSION << 3) | CLIENT;
  bytes.set(transmit.subarray(0, STAMP_BYTES), 40);
  return bytes;
}

/** The header of a reply; undefined where there are too few bytes for one. */
export function decodeReply(bytes: Uint8Array): NtpReply | undefined {
  if (bytes.length < NTP_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint8(0);
  return {
    leap: first >> 6,
    version: (first >> 3) & 7,
    mode: first & 7,
    stratum: view.getUint8(1),
    kiss: printable(bytes.subarray(12, 16)),
    precisionUs: 2 ** view.getInt8(3) * 1e6,
    rootDelayUs: (view.getUint32(4) / 65_536) * 1e6,
    rootDispersionUs: (view.getUint32(8) / 65_536) * 1e6,
    origin: bytes.slice(24, 32),
    receivedUs: stampUs(view, 32),
    sentUs: stampUs(view, 40),
  };
}

function stampUs(view: DataView, at: number): number {
  const seconds = view.getUint32(at);
  const era = seconds < SECONDS_1900_TO_2020 ? ERA_SECONDS : 0;
  const since1970 = seconds + era - SECONDS_1900_TO_1970;
  return since1970 * 1e6 + (view.getUint32(at + 4) * 1e6) / ERA_SECONDS;
}

/** Writes µs since 1970 as a stamp: the era is lost, as on the wire. */
export function writeStamp(view: DataView, at: number, us: number): void {
  const seconds = Math.floor(us / 1e6);
  view.setUint32(at, (seconds + SECONDS_1900_TO_1970) % ERA_SECONDS);
  view.setUint32(at + 4, Math.floor(((us - seconds * 1e6) * ERA_SECONDS) / 1e6));
}

export function sameStamp(one: Stamp, other: Stamp): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function printable(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.filter((byte) => byte > 0x20 && byte < 0x7f));
}
