import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSigners, signatureFault, signContent, signerOf } from './signature.ts';
import { spkiOf } from './token.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = privateKey.export({ format: 'pem', type: 'pkcs8' });
const own = publicKey.export({ format: 'pem', type: 'spki' });
const digest = `sha256:${'ab'.repeat(32)}`;

test('a signature says whose it is, for its content only', () => {
  const text = signContent(digest, key);
  expect(signerOf(digest, text)).toBe(spkiOf(publicKey));
  expect(signerOf(digest.replace('a', 'c'), text)).toBeUndefined();
});

test('whatever is changed in it, it does not hold; noise never does, and nothing throws', () => {
  const text = signContent(digest, key);
  const bytes = Buffer.from(text, 'base64url');
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = Buffer.from(bytes);
      other[at] = (other[at] ?? 0) ^ change;
      expect(signerOf(digest, other.toString('base64url'))).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(fc.string(), (noise) => {
      expect(signerOf(digest, noise)).toBeUndefined();
    }),
  );
});

test('who trusts some keys takes what they signed; who names none takes all', () => {
  const signature = signContent(digest, key);
  const stranger = generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' });
  expect(signatureFault(undefined, { digest })).toBeUndefined();
  expect(
    signatureFault(parseSigners(`${stranger}\n${own}`), { digest, signature }),
  ).toBeUndefined();
  expect(signatureFault(parseSigners(stranger), { digest, signature })).toMatch('not trusted');
  expect(signatureFault(parseSigners(own), { digest })).toBe('it is not signed');
  expect(signatureFault(parseSigners(own), { digest, signature: 'x' })).toMatch('not hold');
});

test('files that hold something else', () => {
  expect(() => parseSigners('nothing')).toThrow('no public key');
  expect(() => signContent(digest, own)).toThrow('no private key');
  const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = ec.export({ format: 'pem', type: 'pkcs8' });
  expect(() => signContent(digest, pem)).toThrow('not Ed25519');
});
