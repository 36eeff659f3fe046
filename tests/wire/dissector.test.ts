/**
 * dissector.lua in tshark: every golden vector shown as the codec reads it, every refused one
 * with its reason, streams however they are cut, and nothing that belongs to others.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { fieldName } from '../../scripts/render-dissector.ts';
import type { ProtocolFault } from '../../src/base/errors.ts';
import { type KeyType } from '../../src/net/key-types.ts';
import { type KeyName, keys } from '../../src/net/registry.ts';
import { Capture, type Sent, type StreamOptions } from './capture.ts';
import { Tshark } from './tshark.ts';
import { readBadVectors, readVectors } from './vector.ts';

const tshark = new Tshark();
afterAll(() => tshark[Symbol.dispose]());

const vectors = readVectors();
const refused = readBadVectors();

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
type Tree = Readonly<Record<string, unknown>>;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

/** A time as some version of tshark prints it, in µs. */
function microseconds(text: string): number {
  const [, fraction = '0'] = /\.(\d+)/u.exec(text) ?? [];
  const instant = Date.parse(text.replace(/\.\d+/u, ''));
  return instant * 1_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** A value of tshark's tree as the codec would give it. */
function valueOf(name: KeyName, shown: unknown): unknown {
  const type: KeyType = keys[name][1];
  if (typeof type !== 'string') {
    return 'map' in type ? bodyOf(shown) : listOf(shown).map((one) => bodyOf(one));
  }
  if (type === 'texts') return listOf(shown);
  if (type === 'uints') return listOf(shown).map(Number);
  if (type === 'bytes') return String(shown).replaceAll(':', '');
  if (type === 'bool') return shown === '1' || shown === 'True';
  if (type === 'time') return microseconds(String(shown));
  if (type === 'text') return shown;
  if (type !== 'strmap') return Number(shown);
  const pairs = listOf(shown).map((pair) => /^([^=]*)=(.*)$/su.exec(String(pair)) ?? []);
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value]));
}

const nameOf = new Map(
  (Object.keys(keys) as KeyName[]).map((name) => [`lotc.${fieldName(name)}`, name]),
);

function bodyOf(tree: unknown): unknown {
  if (typeof tree !== 'object' || tree === null) return {};
  const entries = Object.entries(tree).map(([field, shown]) => {
    const name = nameOf.get(field);
    if (name === undefined) return [field, shown];
    return [name, valueOf(name, shown)];
  });
  return Object.fromEntries(entries);
}

/** What no item stands for: an empty list, an empty map. */
function withoutEmpty(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutEmpty);
  if (typeof body !== 'object' || body === null) return body;
  const kept = Object.entries(body).filter(
    ([, value]) => typeof value !== 'object' || value === null || Object.keys(value).length > 0,
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutEmpty(value)]));
}

/** Every key of a tree, at any depth. */
function names(tree: unknown): string[] {
  if (Array.isArray(tree)) return tree.flatMap(names);
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.entries(tree).flatMap(([name, value]) => [name, ...names(value)]);
}

describe('every golden vector', () => {
  const file = tshark.path('vectors.pcap');
  const capture = new Capture();
  for (const [number, { state, hex }] of vectors.entries()) {
    const side = state === 'REQ' ? 'client' : 'server';
    capture.stream({ clientPort: 10_000 + number }).send(side, bytes(hex));
  }
  capture.write(file);
  const layers = tshark.layers(file) as Tree[];

  test('is found', () => {
    expect(layers).toHaveLength(vectors.length);
  });

  test.each(vectors.map((vector, number) => ({ ...vector, number })))(
    'is shown as the codec reads it: $name',
    ({ number, code, id, more, again, body }) => {
      const layer = layers[number] ?? {};
      const flags = layer['lotc.flags_tree'] as Tree;
      const bit = (name: string): boolean => ['1', 'True'].includes(String(flags[name]));
      expect(Number(layer['lotc.code'])).toBe(code);
      expect(Number(layer['lotc.id'])).toBe(id);
      expect(bit('lotc.flags.more')).toBe(more);
      expect(bit('lotc.flags.again')).toBe(again);
      expect(layer['lotc.checksum.status']).toBe('1');
      expect(bodyOf(layer['lotc.body'])).toEqual(withoutEmpty(body));
      expect(names(layer).filter((name) => /malformed|missing|wrong/u.test(name))).toEqual([]);
    },
  );
});

describe('every refused vector', () => {
  const said: Readonly<Partial<Record<ProtocolFault, RegExp>>> = {
    'bad-magic': /lost/u,
    'bad-version': /version/u,
    'bad-flags': /flags/u,
    'bad-code': /unknown_code/u,
    'bad-checksum': /checksum/u,
    'body-too-large': /oversized/u,
    'bad-body': /malformed/u,
    'bad-field': /malformed|wrong_type/u,
    'missing-field': /missing_field/u,
  };
  const file = tshark.path('refused.pcap');
  const capture = new Capture();
  for (const [number, { hex, answer }] of refused.entries()) {
    const stream = capture.stream({ clientPort: 10_000 + number });
    stream.send('client', bytes(hex)).send('server', bytes(answer));
  }
  capture.write(file);
  const shown = (filter: string) => tshark.layers(file, filter) as Tree[];
  const frames = shown('tcp.dstport == 7416 && tcp.len > 0');
  const answers = shown('lotc.state == 3');

  test.each(refused.map((vector, number) => ({ ...vector, number })))(
    'says why: $name',
    ({ number, name, fault, answer }) => {
      const expected = said[fault];
      if (!expected) throw new Error(`no expert for ${fault}`);
      const experts = names(frames[number]).filter((one) => one.startsWith('lotc.expert.'));
      expect(experts.join(' ')).toMatch(expected);
      const body = bodyOf(answers[number]?.['lotc.body']);
      expect(body).toMatchObject({ text: name, fault });
      expect(bytes(answer)[5]).toBe(Number(answers[number]?.['lotc.code']));
    },
  );
});

describe('a stream', () => {
  const some = vectors.filter(({ kind, state }) => kind === 'retQuery' || state === 'ACK');
  const all = Buffer.concat(some.map(({ hex }) => bytes(hex)));
  const ids = some.map(({ id }) => String(id));

  function idsOf(file: string): string[] {
    const rows = tshark.fields(file, 'lotc.id', ['lotc.id']);
    return rows.flatMap(([cell = '']) => cell.split(','));
  }

  function sent(name: string, options: StreamOptions, how: Sent): string[] {
    const file = tshark.path(`${name}.pcap`);
    const capture = new Capture();
    capture.stream(options).send('client', all, how);
    capture.write(file);
    return idsOf(file);
  }

  test.each([
    ['in one segment', {}, {}],
    ['in segments of seven bytes', {}, { mss: 7 }],
    ['over IPv6', { family: 'ipv6' }, { mss: 500 }],
    ['on another port', { clientPort: 40_000, serverPort: 9_999 }, { mss: 500 }],
    ['with every segment repeated', {}, { mss: 100, twice: true }],
  ] as const)('is read whole %s', (name, options, how) => {
    expect(sent(name.replaceAll(' ', '-'), options, how)).toEqual(ids);
  });

  test('that begins in the middle is taken up at its next frame', () => {
    const file = tshark.path('midway.pcap');
    const capture = new Capture();
    const first = bytes(some[0]?.hex ?? '').length;
    capture.stream({ midway: true }).send('client', all.subarray(first - 5), { mss: 100 });
    capture.write(file);
    expect(idsOf(file)).toEqual(ids.slice(1));
    expect(tshark.fields(file, 'lotc.expert.lost', ['frame.number'])).toHaveLength(1);
  });

  test('that nobody could recognise is read where it is decoded as LOTC', () => {
    const file = tshark.path('decode-as.pcap');
    const capture = new Capture();
    const options = { midway: true, clientPort: 40_000, serverPort: 9_999 };
    // No segment begins with a frame, so neither port nor first bytes say what it is.
    capture.stream(options).send('client', all.subarray(5), { mss: 100_000 });
    capture.write(file);
    expect(tshark.fields(file, 'lotc', ['lotc.id'])).toEqual([]);
    const shown = ['-2', '-r', file, '-Y', 'lotc.id', '-T', 'fields', '-e', 'lotc.id'];
    const text = tshark.run([...shown, '-d', 'tcp.port==9999,lotc']);
    expect(text.trim().split(/[\n,]/u)).toEqual(ids.slice(1));
  });

  test('that lost a segment says so and goes on', () => {
    const file = tshark.path('lost.pcap');
    const capture = new Capture();
    const stream = capture.stream();
    for (const [number, { hex }] of some.entries()) {
      const frame = bytes(hex);
      stream.send('client', frame.subarray(0, 25), { lost: number === 3 });
      stream.send('client', frame.subarray(25));
    }
    capture.write(file);
    const found = idsOf(file);
    expect(found).toEqual(ids.filter((_, number) => number !== 3));
    expect(tshark.fields(file, 'lotc.expert.lost', ['frame.number'])).not.toEqual([]);
  });

  test('of a capture with a short snap length shows what is there', () => {
    const file = tshark.path('snap.pcap');
    const capture = new Capture(96);
    const stream = capture.stream();
    for (const { hex } of some) stream.send('client', bytes(hex));
    capture.write(file);
    expect(idsOf(file)).toEqual(ids);
    const long = some.filter(({ hex }) => hex.length / 2 > 42).length;
    expect(tshark.fields(file, 'lotc.expert.cut', ['frame.number'])).toHaveLength(long);
    expect(tshark.fields(file, 'lotc.expert.malformed', ['frame.number'])).toEqual([]);
  });
});

describe('what belongs to others', () => {
  const foreign: Readonly<Record<string, readonly [port: number, text: string | Buffer]>> = {
    http: [8_080, 'GET /LOTC HTTP/1.1\r\nHost: LOTC.example\r\n\r\n'],
    ssh: [22, 'SSH-2.0-OpenSSH_9.2p1 LOTC\r\n'],
    'tls hello': [443, bytes(`16030100c8010000c40303${'4c4f5443'.repeat(8)}20${'02'.repeat(164)}`)],
    'the magic alone': [9_000, 'LOTC'],
    'the magic in prose': [9_001, 'LOTC is a process manager, and this is no frame of it.'],
    'another version': [9_002, bytes(`4c4f544303000000${'00'.repeat(12)}`)],
    'a wrong checksum': [9_004, bytes(`4c4f5443020000000000000000000000${'00'.repeat(4)}`)],
    'an absurd length': [9_003, bytes(`4c4f544302000000ffffffff${'00'.repeat(12)}`)],
  };
  test('is left to them', () => {
    const file = tshark.path('foreign.pcap');
    const capture = new Capture();
    for (const [port, payload] of Object.values(foreign)) {
      capture.stream({ serverPort: port }).send('client', Buffer.from(payload as Buffer));
    }
    capture.datagram(53, bytes(`123401000001000000000000044c4f544303636f6d0000010001`));
    capture.datagram(123, bytes(`e30006ec${'00'.repeat(44)}`));
    capture.write(file);
    expect(tshark.fields(file, 'lotc', ['frame.number'])).toEqual([]);
    // They are what they are: the module took nothing away from those who know them.
    const kinds = ['http', 'ssh', 'dns', 'ntp'].map((one) =>
      tshark.fields(file, one, ['frame.number']),
    );
    expect(kinds.map((rows) => rows.length)).toEqual([1, 1, 1, 1]);
  });
});
