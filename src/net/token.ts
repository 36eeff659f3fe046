/**
 * Join tokens: `lotc1.<secret>.<pin>`. The secret is the seed of a client key, the pin is the
 * SHA-256 of the fleet's CA key. The joining side proves itself by that key and the server by the
 * pin, so the token itself never crosses the wire and a thief of a token cannot play the server.
 *
 * Key: HKDF-SHA256(secret, info "lotc-join-v1") → Ed25519 seed (RFC 5869, RFC 8032); PKCS #8 form
 * of a seed by RFC 8410 section 7.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { LotcError } from '../base/errors.ts';

const SECRET_BYTES = 20;
const PIN_BYTES = 32;
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface Token {
  readonly secret: Uint8Array;
  /** SHA-256 of the CA's SubjectPublicKeyInfo. */
  readonly pin: Uint8Array;
}

/**
 * Whether a token of this secret is none in small letters: its last character is a capital then,
 * whose small one has bits that none may have there (RFC 4648, section 3.5).
 */
export const isCaseSafe = (secret: Uint8Array): boolean => ((secret.at(-1) ?? 0) & 0x0f) < 7;

/** `secret`: 20 random bytes, `isCaseSafe`. */
export function formatToken({ secret, pin }: Token): string {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  return `lotc1.${text(secret)}.${text(pin)}`;
}

/** Throws a usage error for what is no token, or only a part of one. */
export function parseToken(text: string): Token {
  const [kind, secretText = '', pinText = '', ...more] = text.trim().split('.');
  const secret = Buffer.from(secretText, 'base64url');
  const pin = Buffer.from(pinText, 'base64url');
  const whole = secret.length === SECRET_BYTES && pin.length === PIN_BYTES;
  const exact =
    secret.toString('base64url') === secretText && pin.toString('base64url') === pinText;
  if (kind !== 'lotc1' || !whole || !exact || more.length > 0) {
    throw new LotcError('usage', 'this is no token, or only a part of one', {
      hint: 'a token is one line of 77 characters that begins with "lotc1."; make one: lotc admin token create --role agent',
    });
  }
  return { secret, pin };
}

export function tokenKey({ secret }: Pick<Token, 'secret'>): KeyObject {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'lotc-join-v1', 32));
  const key = Buffer.concat([PKCS8_ED25519, seed]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** What the server knows of a token: the hash of its public key. */
export function tokenSpki(token: Pick<Token, 'secret'>): string {
  return spkiOf(createPublicKey(tokenKey(token)));
}

/** Hex SHA-256 of a public key's DER SubjectPublicKeyInfo: who somebody is, everywhere in LOTC. */
export function spkiOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}
