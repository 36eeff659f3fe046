import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import {
  formatAddress,
  ipv6Groups,
  isLoopback,
  parseAddress,
  parseAddressOf,
  unmapped,
} from './address.ts';

test.each([
  ['example.org:80', 'example.org', 80],
  ['node_1', 'node_1', 7416],
  ['host.', 'host.', 7416],
  ['1.2.3.4:0', '1.2.3.4', 0],
  ['1.2.3.4', '1.2.3.4', 7416],
  ['[2001:db8::1]:443', '2001:db8::1', 443],
  ['[fe80::1%eth0]:443', 'fe80::1%eth0', 443],
  ['[::]', '::', 7416],
  [':7000', '', 7000],
  [':0', '', 0],
  ['fd00::7', 'fd00::7', 7416],
  ['::1', '::1', 7416],
  ['::', '::', 7416],
  ['2001:db8:0:0:0:0:0:1', '2001:db8:0:0:0:0:0:1', 7416],
  ['2001:db8::1:ab', '2001:db8::1:ab', 7416],
  ['[::ffff:1.2.3.4]:1', '::ffff:1.2.3.4', 1],
])('%s', (text, host, port) => {
  expect(parseAddress(text)).toEqual({ host, port });
  expect(parseAddress(formatAddress({ host, port }))).toEqual({ host, port });
});

test('a list of addresses without ports keeps the default port for each', () => {
  const ports = ['[::1]', 'host', '1.2.3.4'].map(parseAddress).map(({ port }) => port);
  expect(ports).toEqual([7416, 7416, 7416]);
});

test('another service has another default port', () => {
  expect(parseAddressOf('host', 123).port).toBe(123);
  expect(parseAddressOf('host:1', 123).port).toBe(1);
});

test.each([
  '',
  ':',
  'host:',
  'host:x',
  'host:65536',
  'host:-1',
  'host: 1',
  'ho st:1',
  'a/b:1',
  '-x:1',
  '1.2.3:1',
  '999.1.1.1:1',
  '01.2.3.4:1',
  '[]:1',
  '[::1',
  '[::1]1',
  '[1.2.3.4]:1',
  '[host]:1',
  '::1:7416',
  '1:2:3',
  '[1::2::3]:1',
  '[fe80::1%]:1',
  'http://host:1',
  '[::1]:',
  '[:::1]:1',
  `${'a'.repeat(254)}:1`,
])('refused: %j', (text) => {
  expect(() => parseAddress(text)).toThrow(LotcError);
  expect(() => parseAddress(text)).toThrow(`"${text}"`);
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('an ambiguous literal says what to do', () => {
  expect(() => parseAddress('::1:7416')).toThrow('brackets');
});

test('any IPv6 address is read back', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
      expect(parseAddress(formatAddress({ host, port }))).toEqual({ host, port });
      expect(ipv6Groups(host)).toHaveLength(8);
    }),
  );
});

test('any text is an address or a usage error', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...':.[]%a1f0-/ '.split('')) }), (text) => {
      try {
        expect(parseAddress(text).port).toBeLessThan(65_536);
      } catch (error) {
        expect(error).toMatchObject({ code: 'usage' });
      }
    }),
  );
});

test('loopback', () => {
  const own = [
    'localhost',
    'LOCALHOST.',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0::1',
    '::ffff:127.0.0.1',
  ];
  const others = [
    '',
    '::',
    '0.0.0.0',
    '128.0.0.1',
    'fe80::1',
    'localhost.evil.org',
    '::2',
    '127.1',
    '127.0.0.1.evil.org',
  ];
  expect(own.filter(isLoopback)).toEqual(own);
  expect(others.filter(isLoopback)).toEqual([]);
});

test('IPv4 through a dual-stack socket reads as IPv4', () => {
  expect(unmapped('::ffff:10.0.0.7')).toBe('10.0.0.7');
  expect(unmapped('::ffff:a00:7')).toBe('10.0.0.7');
  expect(unmapped('fd00::7')).toBe('fd00::7');
  expect(unmapped('10.0.0.7')).toBe('10.0.0.7');
});
