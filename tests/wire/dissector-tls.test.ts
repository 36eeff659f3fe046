/** dissector.lua and TLS: found by ALPN on any port, once Wireshark has the secrets. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Capture } from './capture.ts';
import { sealed } from './sealed.ts';
import { Tshark } from './tshark.ts';
import { readVectors } from './vector.ts';

const tshark = new Tshark();
afterAll(() => tshark[Symbol.dispose]());

const words = readVectors().map(({ state, hex }) => ({
  side: state === 'REQ' ? ('client' as const) : ('server' as const),
  bytes: Buffer.from(hex, 'hex'),
}));
const ids = readVectors().map(({ id }) => String(id));

test.each([
  ['IPv6', { family: 'ipv6', serverPort: 7_416 }],
  ['IPv4', { family: 'ipv4', serverPort: 7_416 }],
  ['another port', { family: 'ipv6', serverPort: 9_443 }],
] as const)('every vector is read through TLS: %s', async (name, options) => {
  const raw = tshark.path(`${name}-raw.pcapng`);
  const file = tshark.path(`${name}.pcapng`);
  const keys = tshark.path(`${name}.keys`);
  const capture = new Capture();
  writeFileSync(keys, await sealed(capture, options, words));
  capture.write(raw);

  // Without the secrets there is TLS and nothing else.
  expect(tshark.fields(raw, 'lotc', ['lotc.id'])).toEqual([]);
  expect(tshark.fields(raw, 'tls', ['frame.number']).length).toBeGreaterThan(words.length);

  const given = ['-o', `tls.keylog_file:${keys}`];
  const text = tshark.run(['-r', raw, ...given, '-Y', 'lotc', '-T', 'fields', '-e', 'lotc.id']);
  expect(text.trim().split('\n')).toEqual(ids);

  // With them inside, the capture needs no option.
  execFileSync('editcap', ['--inject-secrets', `tls,${keys}`, raw, file]);
  expect(tshark.fields(file, 'tls && lotc', ['lotc.id']).flat()).toEqual(ids);
});

test('where ALPN says something else, it is read by Decode As', async () => {
  const file = tshark.path('decode-as.pcapng');
  const keys = tshark.path('decode-as.keys');
  const capture = new Capture();
  const [first, ...others] = words;
  if (!first) throw new Error('there are no vectors');
  const all = Buffer.concat([first.bytes.subarray(5), ...others.map(({ bytes }) => bytes)]);
  // One record, which begins inside a frame.
  const said = [{ side: 'client' as const, bytes: all.subarray(0, 16_000) }];
  const options = { family: 'ipv6', serverPort: 9_443 } as const;
  writeFileSync(keys, await sealed(capture, options, said, 'another/1'));
  capture.write(file);
  const shown = ['-r', file, '-o', `tls.keylog_file:${keys}`, '-Y', 'lotc.id'];
  const read = [...shown, '-T', 'fields', '-e', 'lotc.id'];
  expect(tshark.run(read)).toBe('');
  const found = tshark
    .run([...read, '-d', 'tls.port==9443,lotc'])
    .trim()
    .split(/[\n,]/u);
  expect(found.length).toBeGreaterThan(10);
  expect(found).toEqual(ids.slice(1, 1 + found.length));
});
