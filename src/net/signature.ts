/**
 * Signatures of bundles: who vouches for a content. Ed25519 (RFC 8032) over the content's digest;
 * the text carries the public key too, so that anybody can say whose it is, and whether it counts
 * is a question of who is trusted. Base64url of 32 bytes of key and 64 of signature.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { usage } from '../base/errors.ts';
import { spkiOf } from './token.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER of an Ed25519 public key before its bytes (RFC 8410). */
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/** What is signed says what it is for: no signature of anything else is one of this. */
const message = (digest: string): Buffer => Buffer.from(`lotc-bundle-v1\n${digest}\n`);

/** `key`: PEM of an Ed25519 private key. */
export function signContent(digest: string, key: string): string {
  let own: KeyObject;
  try {
    own = createPrivateKey(key);
  } catch {
    throw usage('--sign: the file holds no private key', KEY_HINT);
  }
  if (own.asymmetricKeyType !== 'ed25519') throw usage('--sign: the key is not Ed25519', KEY_HINT);
  const spki = createPublicKey(own).export({ format: 'der', type: 'spki' });
  const signature = sign(null, message(digest), own);
  return Buffer.concat([spki.subarray(-KEY_BYTES), signature]).toString('base64url');
}

const KEY_HINT = 'make one: openssl genpkey -algorithm ed25519 -out key.pem';

/** Whose it is, as the hash of the key; undefined where it does not hold for this content. */
export function signerOf(digest: string, text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== KEY_BYTES + SIGNATURE_BYTES) return undefined;
  try {
    const spki = Buffer.concat([SPKI_ED25519, bytes.subarray(0, KEY_BYTES)]);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const holds = verify(null, message(digest), key, bytes.subarray(KEY_BYTES));
    return holds ? spkiOf(key) : undefined;
  } catch {
    return undefined;
  }
}

/** The keys of a file of `--require-signature`: public keys in PEM, one after the other. */
export function parseSigners(pem: string): ReadonlySet<string> {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  const signers = new Set<string>();
  for (const block of blocks) {
    const key = createPublicKey(block);
    if (key.asymmetricKeyType !== 'ed25519') {
      throw usage('--require-signature: a key in it is not Ed25519');
    }
    signers.add(spkiOf(key));
  }
  if (signers.size > 0) return signers;
  throw usage('--require-signature: the file holds no public key in PEM', PUBLIC_HINT);
}

const PUBLIC_HINT = 'make one: openssl pkey -in key.pem -pubout';

/** Why a content may not be used by who trusts these keys only; undefined where it may. */
export function signatureFault(
  trusted: ReadonlySet<string> | undefined,
  {
    digest = '',
    signature,
  }: { readonly digest?: string | undefined; readonly signature?: string | undefined },
): string | undefined {
  if (!trusted) return undefined;
  if (signature === undefined) return 'it is not signed';
  const signer = signerOf(digest, signature);
  if (signer === undefined) return 'its signature does not hold';
  return trusted.has(signer)
    ? undefined
    : `it is signed by ${signer.slice(0, 16)}…, who is not trusted`;
}
