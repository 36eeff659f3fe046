import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { PASSPHRASE_TURNS, sealKey } from './sealed-key.ts';

const salt = Buffer.alloc(16, 1);
const iv = Buffer.alloc(16, 2);
const keys = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  Ed25519: generateKeyPairSync('ed25519').privateKey,
  'RSA, longer than 255 bytes': generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey,
};

test.each(Object.entries(keys))('%s is opened by its passphrase and no other', (_, key) => {
  const plain = key.export({ format: 'pem', type: 'pkcs8' });
  const sealed = sealKey(plain, 'correct hörse', { salt, iv });
  const opens = (passphrase: string): boolean => {
    try {
      return createPrivateKey({ key: sealed, passphrase }).equals(key);
    } catch {
      return false;
    }
  };
  expect([opens('correct hörse'), opens('correct horse')]).toEqual([true, false]);
  expect(sealed).not.toContain(plain.split('\n')[1]);
});

test('OpenSSL reads it too, and says how often it was turned: as often as OWASP asks', () => {
  const plain = keys['P-256'].export({ format: 'pem', type: 'pkcs8' });
  const input = sealKey(plain, 'x', { salt, iv });
  const openssl = (...words: string[]): string =>
    execFileSync('openssl', words, { input, encoding: 'utf8' });
  expect(openssl('pkcs8', '-passin', 'pass:x')).toBe(plain);
  const parsed = openssl('asn1parse');
  expect(parsed).toMatch(/PBKDF2[^]*INTEGER\s+:0927C0\n[^]*hmacWithSHA256[^]*aes-256-cbc/);
  expect(PASSPHRASE_TURNS).toBe(0x0927c0);
});
