import { createPublicKey, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import { formatToken, isCaseSafe, parseToken, spkiOf, tokenKey, tokenSpki } from './token.ts';

const secret = new Uint8Array(20).map((_, n) => n);
const pin = new Uint8Array(32).fill(0xee);
const text = formatToken({ secret, pin });

test('a token is one word of 77 characters, and reads back', () => {
  expect(text).toMatch(/^lotc1\.[\w-]{27}\.[\w-]{43}$/);
  expect(text).toHaveLength(77);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      (some, other) => {
        const token = parseToken(` ${formatToken({ secret: some, pin: other })}\n`);
        expect([...token.secret]).toEqual([...some]);
        expect([...token.pin]).toEqual([...other]);
      },
    ),
  );
});

test('its key is the same for ever: HKDF and RFC 8032, not the day it was made', () => {
  expect(tokenSpki({ secret })).toBe(
    '33490110fd9ee3cc69a2b3aec3dc44dfcf44030c75eb9800efd3ddc0d5e2c9f9',
  );
  const key = tokenKey({ secret });
  expect(spkiOf(createPublicKey(key))).toBe(tokenSpki({ secret }));
  const data = Buffer.from('hello');
  expect(verify(null, data, createPublicKey(key), sign(null, data, key))).toBe(true);
  expect(tokenSpki({ secret: new Uint8Array(20) })).not.toBe(tokenSpki({ secret }));
});

test.each([
  ['nothing', ''],
  ['a word', 'token'],
  ['a part of it', text.slice(0, -1)],
  ['more than it', `${text}A`],
  ['lower case', text.toLowerCase()],
  ['another kind', text.replace('lotc1', 'lotc2')],
  ['without the pin', text.slice(0, 33)],
  ['a fourth part', `${text}.x`],
  ['a character that is none', text.replace('7', '!').replace('u', '!')],
])('%s is a usage error', (_, wrong) => {
  expect(wrong).not.toBe(text);
  const parse = (): unknown => parseToken(wrong);
  expect(parse).toThrow(LotcError);
  expect(parse).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('a token in small letters is none, where it was made so', () => {
  for (let low = 0; low < 16; low += 1) {
    const secret = Buffer.alloc(20, 0xa5).fill(0xf0 | low, 19);
    const small = formatToken({ secret, pin: Buffer.alloc(32, 0xa5) }).toLowerCase();
    if (isCaseSafe(secret)) expect(() => parseToken(small)).toThrow('this is no token');
  }
  expect(isCaseSafe(Buffer.alloc(20, 0))).toBe(true);
  expect(isCaseSafe(Buffer.alloc(20, 7))).toBe(false);
});
