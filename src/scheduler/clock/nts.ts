/**
 * Time that is authentic (RFC 8915 section 5.7): keys and cookies of one establishment, requests
 * sealed with them, replies judged. A cookie goes once and in the clear, so that nobody can tell
 * that two requests come from one client; each reply brings a new one, and a request after a loss
 * makes room for those that are missing. Cookies spent, or a server that says it does not know
 * them (a NAK, which anybody could have said: so it counts only once no authentic reply came
 * instead): new keys are wanted. There is no way back to plain NTP.
 */
import { fieldTypes, NONCE_BYTES, openPacket, sealPacket } from './nts-fields.ts';
import { sameStamp } from './packet.ts';

export interface NtsKeys {
  readonly toServer: Uint8Array;
  readonly toClient: Uint8Array;
  readonly cookies: readonly Uint8Array[];
  /** When the server's certificate is valid: the time it says has to lie there. */
  readonly fromUs: number;
  readonly untilUs: number;
}

/** Chance for one request. */
export interface Chance {
  readonly identifier: Uint8Array;
  readonly nonce: Uint8Array;
}

export const IDENTIFIER_BYTES = 32;
export const CHANCE_BYTES = IDENTIFIER_BYTES + NONCE_BYTES;
const COOKIES = 8;
const OUTSTANDING = 4;
/** A packet with room for cookies stays below what every IPv6 link carries. */
const PACKET_BYTES_MAX = 1_200;
const NAK = 'NTSN';

export class NtsAssociation {
  readonly #keys: NtsKeys;
  #cookies: readonly Uint8Array[];
  #identifiers: readonly Uint8Array[] = [];
  #denied = false;

  constructor(keys: NtsKeys) {
    this.#keys = keys;
    this.#cookies = keys.cookies.slice(0, COOKIES);
  }

  get cookies(): number {
    return this.#cookies.length;
  }

  /** Why new keys are wanted. */
  get spent(): string | undefined {
    if (this.#denied) return 'does not know our keys any more (NTS NAK)';
    return this.cookies === 0 ? 'has not answered until every NTS cookie was spent' : undefined;
  }

  /** A request of this header; there has to be a cookie. */
  seal(header: Uint8Array, { identifier, nonce }: Chance): Uint8Array {
    const [cookie = new Uint8Array(0), ...left] = this.#cookies;
    this.#cookies = left;
    this.#identifiers = [...this.#identifiers, identifier].slice(-OUTSTANDING);
    const fixed = header.length + IDENTIFIER_BYTES + cookie.length + 80;
    const fitting = Math.floor((PACKET_BYTES_MAX - fixed) / (cookie.length + 8));
    const missing = Math.max(0, Math.min(COOKIES - 1 - left.length, fitting));
    const room = { type: fieldTypes.placeholder, body: new Uint8Array(cookie.length) };
    const fields = [
      { type: fieldTypes.identifier, body: identifier },
      { type: fieldTypes.cookie, body: cookie },
      ...Array.from({ length: missing }, () => room),
    ];
    return sealPacket(this.#keys.toServer, { header, fields, nonce });
  }

  /** What is wrong with a reply; undefined: it is authentic, and its cookies are taken. */
  open(packet: Uint8Array, kiss: string | undefined): string | undefined {
    const opened = openPacket(this.#keys.toClient, packet);
    const said = opened?.fields.find(({ type }) => type === fieldTypes.identifier)?.body;
    const asked = said && this.#identifiers.find((one) => sameStamp(one, said));
    if (!opened || !asked) return 'answers what was not asked (NTS identifier)';
    if (!opened.hidden) {
      if (kiss !== NAK) return 'answers what is not authentic (NTS)';
      this.#denied = true;
      return this.spent;
    }
    this.#denied = false;
    this.#identifiers = this.#identifiers.filter((one) => one !== asked);
    const fresh = opened.hidden.filter(({ type }) => type === fieldTypes.cookie);
    this.#cookies = [...this.#cookies, ...fresh.map(({ body }) => body)].slice(0, COOKIES);
    return undefined;
  }

  /** Whether the certificate was valid at that time: the machine's clock may have been wrong. */
  isValidAt(us: number): boolean {
    return us >= this.#keys.fromUs && us <= this.#keys.untilUs;
  }
}

const FIRST_US = 10e6;
const LONGEST_US = 3_600e6;
const GROWTH = 1.5;

/** When keys may be asked for: at once, and later and later until a reply was authentic. */
export class KeyPatience {
  #waitUs = FIRST_US;
  #fromUs = Number.NEGATIVE_INFINITY;

  /** µs until it may be tried. */
  leftUs(atUs: number): number {
    return Math.max(0, this.#fromUs - atUs);
  }

  tried(atUs: number): void {
    this.#fromUs = atUs + this.#waitUs;
    this.#waitUs = Math.min(this.#waitUs * GROWTH, LONGEST_US);
  }

  succeeded(): void {
    this.#waitUs = FIRST_US;
    this.#fromUs = Number.NEGATIVE_INFINITY;
  }
}
