import { createCipheriv, getCiphers } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cmac, sivOpen, sivSeal } from './siv.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hexOf = (what: Uint8Array | undefined): string | undefined =>
  what && Buffer.from(what).toString('hex');

test.each([
  [0, 'bb1d6929e95937287fa37d129b756746'],
  [16, '070a16b46b4d4144f79bdd9dd04a287c'],
  [40, 'dfa66747de9ae63030ca32611497c827'],
  [64, '51f0bebf7e3b9d92fc49741779363cfe'],
])('CMAC of %i bytes is that of RFC 4493 section 4', (length, expected) => {
  const message = bytes(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
      '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  );
  const key = bytes('2b7e151628aed2a6abf7158809cf4f3c');
  expect(hexOf(cmac(key, message.subarray(0, length)))).toBe(expected);
});

const vectors = [
  {
    name: 'A.1, deterministic',
    key: 'fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    associated: ['101112131415161718191a1b1c1d1e1f2021222324252627'],
    plaintext: '112233445566778899aabbccddee',
    sealed: '85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c',
  },
  {
    name: 'A.2, with a nonce',
    key: '7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f',
    associated: [
      '00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100',
      '102030405060708090a0',
      '09f911029d74e35bd84156c5635688c0',
    ],
    plaintext:
      '7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67' +
      '205349562d414553',
    sealed:
      '7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663' +
      'b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d',
  },
];

test.each(vectors)('RFC 5297 appendix $name', ({ key, associated, plaintext, sealed }) => {
  const also = associated.map(bytes);
  expect(hexOf(sivSeal(bytes(key), also, bytes(plaintext)))).toBe(sealed);
  expect(hexOf(sivOpen(bytes(key), also, bytes(sealed)))).toBe(plaintext);
});

const some = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const lists = fc.array(some(70), { maxLength: 3 });

test('what is sealed opens; not with a bit of anything changed', () => {
  fc.assert(
    fc.property(keys, lists, some(90), fc.nat(), (key, associated, plaintext, where) => {
      const sealed = sivSeal(key, associated, plaintext);
      // As a socket gives it: a Buffer, whose slice() is no copy.
      const came = Buffer.from(sealed);
      expect(hexOf(sivOpen(key, associated, came))).toBe(hexOf(plaintext));
      expect(hexOf(came)).toBe(hexOf(sealed));
      const all = [sealed, key.subarray(0, 16), ...associated].filter(({ length }) => length > 0);
      const altered = all[where % all.length];
      const at = where % (altered?.length ?? 1);
      if (altered) altered[at] = (altered[at] ?? 0) ^ (1 << (where % 8));
      expect(sivOpen(key, associated, sealed)).toBeUndefined();
    }),
  );
  expect(sivOpen(new Uint8Array(32), [], new Uint8Array(15))).toBeUndefined();
});

// The oracle is an OpenSSL that has AES-SIV (3.0 and later), as the pinned Node does.
test('OpenSSL seals the same', ({ skip }) => {
  skip(!getCiphers().includes('aes-128-siv'), 'this OpenSSL has no AES-SIV');
  fc.assert(
    fc.property(keys, lists, some(90), (key, associated, plaintext) => {
      // OpenSSL leaves out what is associated and empty, which S2V does not.
      const also = associated.filter(({ length }) => length > 0);
      fc.pre(plaintext.length > 0);
      const cipher = createCipheriv('aes-128-siv' as 'aes-128-gcm', key, null as never);
      for (const one of also) cipher.setAAD(one, { plaintextLength: plaintext.length });
      const encrypted = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      const theirs = Buffer.concat([cipher.getAuthTag(), encrypted]);
      expect(hexOf(sivSeal(key, also, plaintext))).toBe(theirs.toString('hex'));
    }),
  );
});
