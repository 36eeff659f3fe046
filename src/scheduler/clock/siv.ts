/**
 * AES-SIV (RFC 5297) with keys of 256 bits, which NTS calls AEAD_AES_SIV_CMAC_256: what is
 * sealed cannot be read or altered, and a nonce that is used twice does no more harm than to
 * show that the same was said twice.
 *
 * Half of the key makes a synthetic vector from all that is said (S2V over CMAC, RFC 4493), the
 * other half encrypts with that vector as the counter. It is written out because OpenSSL has the
 * mode only since 3.2, and block ciphers everywhere; the tests hold it against OpenSSL's own.
 */
import { createCipheriv, timingSafeEqual } from 'node:crypto';

export const SIV_KEY_BYTES = 32;
const BLOCK = 16;
const zero = new Uint8Array(BLOCK);

/** Twice the block in GF(2^128). */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK);
  let carry = 0;
  for (let n = BLOCK - 1; n >= 0; n -= 1) {
    const byte = block[n] ?? 0;
    out[n] = (byte << 1) | carry;
    carry = byte >> 7;
  }
  out[BLOCK - 1] = (out[BLOCK - 1] ?? 0) ^ (carry * 0x87);
  return out;
}

/** A copy of `bytes` with `other` laid over it from `at` on, by exclusive or. */
function mixed(bytes: Uint8Array, other: Uint8Array, at = 0): Uint8Array {
  // Not slice(): of a Buffer that is no copy.
  const out = Uint8Array.from(bytes);
  for (const [n, byte] of other.entries()) out[at + n] = (out[at + n] ?? 0) ^ byte;
  return out;
}

/** At least one block: a one bit behind what is there, then zeroes. */
function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.max(BLOCK, Math.ceil(bytes.length / BLOCK) * BLOCK));
  out.set(bytes);
  out[bytes.length] = 0x80;
  return out;
}

/** CBC over whole blocks; its last block is what CMAC wants. */
function lastBlock(key: Uint8Array, message: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-cbc', key, zero).setAutoPadding(false);
  return Uint8Array.from(cipher.update(message).subarray(-BLOCK));
}

export function cmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const whole = message.length > 0 && message.length % BLOCK === 0;
  const once = doubled(lastBlock(key, zero));
  const blocks = whole ? message : padded(message);
  return lastBlock(key, mixed(blocks, whole ? once : doubled(once), blocks.length - BLOCK));
}

function vector(
  key: Uint8Array,
  associated: readonly Uint8Array[],
  plaintext: Uint8Array,
): Uint8Array {
  let all = cmac(key, zero);
  for (const one of associated) all = mixed(doubled(all), cmac(key, one));
  const end =
    plaintext.length >= BLOCK
      ? mixed(plaintext, all, plaintext.length - BLOCK)
      : mixed(doubled(all), padded(plaintext));
  return cmac(key, end);
}

function counted(key: Uint8Array, by: Uint8Array, bytes: Uint8Array): Uint8Array {
  const counter = Uint8Array.from(by);
  counter[8] = (counter[8] ?? 0) & 0x7f;
  counter[12] = (counter[12] ?? 0) & 0x7f;
  return Uint8Array.from(createCipheriv('aes-128-ctr', key, counter).update(bytes));
}

const halves = (key: Uint8Array): readonly [Uint8Array, Uint8Array] => [
  key.subarray(0, SIV_KEY_BYTES / 2),
  key.subarray(SIV_KEY_BYTES / 2),
];

/** The vector, then what is encrypted. A nonce is the last of what is associated. */
export function sivSeal(
  key: Uint8Array,
  associated: readonly Uint8Array[],
  plaintext: Uint8Array,
): Uint8Array {
  const [macKey, counterKey] = halves(key);
  const by = vector(macKey, associated, plaintext);
  const out = new Uint8Array(BLOCK + plaintext.length);
  out.set(by);
  out.set(counted(counterKey, by, plaintext), BLOCK);
  return out;
}

/** undefined: not sealed with this key, or altered. */
export function sivOpen(
  key: Uint8Array,
  associated: readonly Uint8Array[],
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < BLOCK) return undefined;
  const [macKey, counterKey] = halves(key);
  const by = sealed.subarray(0, BLOCK);
  const plaintext = counted(counterKey, by, sealed.subarray(BLOCK));
  return timingSafeEqual(by, vector(macKey, associated, plaintext)) ? plaintext : undefined;
}
