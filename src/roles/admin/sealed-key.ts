/**
 * A private key under a passphrase, as any tool reads it: PKCS #8 EncryptedPrivateKeyInfo
 * (RFC 5958) by PBES2 (RFC 8018): PBKDF2 with HMAC-SHA-256, then AES-256-CBC. Written here and not
 * by `KeyObject.export`, which turns 2,048 times and cannot be told to turn more often; it is read
 * by node:crypto, which takes the count from the file.
 */
import { createCipheriv, createPrivateKey, pbkdf2Sync } from 'node:crypto';

/** OWASP, "Password Storage": of PBKDF2 with HMAC-SHA-256. Some 0.2 s. */
export const PASSPHRASE_TURNS = 600_000;

const KEY_BYTES = 32;
const LINE = 64;

/** DER's tags of what is used here. */
const INTEGER = 0x02;
const OCTETS = 0x04;
const NULL = Buffer.from('0500', 'hex');
const SEQUENCE = 0x30;

/** Object identifiers, whole: 1.2.840.113549.1.5.13, .12, 1.2.840.113549.2.9, 2.16.…1.42. */
const PBES2 = Buffer.from('06092a864886f70d01050d', 'hex');
const PBKDF2 = Buffer.from('06092a864886f70d01050c', 'hex');
const HMAC_SHA256 = Buffer.from('06082a864886f70d0209', 'hex');
const AES_256_CBC = Buffer.from('060960864801650304012a', 'hex');

/** `salt` and `iv`: 16 random bytes each. */
export function sealKey(
  key: string,
  passphrase: string,
  { salt, iv }: { readonly salt: Uint8Array; readonly iv: Uint8Array },
): string {
  const plain = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' });
  const derived = pbkdf2Sync(passphrase, salt, PASSPHRASE_TURNS, KEY_BYTES, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', derived, iv);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  const turns = der(INTEGER, Buffer.from(PASSPHRASE_TURNS.toString(16).padStart(6, '0'), 'hex'));
  const prf = der(SEQUENCE, HMAC_SHA256, NULL);
  const derivation = der(SEQUENCE, PBKDF2, der(SEQUENCE, der(OCTETS, salt), turns, prf));
  const encryption = der(SEQUENCE, AES_256_CBC, der(OCTETS, iv));
  const algorithm = der(SEQUENCE, PBES2, der(SEQUENCE, derivation, encryption));
  return pem(der(SEQUENCE, algorithm, der(OCTETS, sealed)));
}

/** Lengths up to 65,535: a private key is a few hundred bytes. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const { length } = body;
  const head = [tag];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else head.push(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Buffer.from(head), body]);
}

function pem(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64');
  const lines = text.match(new RegExp(`.{1,${LINE}}`, 'gu')) ?? [];
  const label = 'ENCRYPTED PRIVATE KEY';
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
