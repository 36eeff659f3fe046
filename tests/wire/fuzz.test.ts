/**
 * Parsers that strangers reach, with 20,000 inputs each: what is good, changed a little (bits,
 * cuts, doubled pieces, numbers at their edges), and noise. The answer is a value or the parser's own
 * error; anything else is a fault. Seeded: SEED=n repeats one.
 */
import { expect, test } from 'vitest';
import { LotcError, ProtocolError } from '../../src/base/errors.ts';
import { Prng } from '../../src/base/prng.ts';
import { parseSelector } from '../../src/base/selector.ts';
import { parseAddress } from '../../src/net/address.ts';
import { decodeBody } from '../../src/net/codec.ts';
import { layoutOfCode } from '../../src/net/codes.ts';
import { FrameReader } from '../../src/net/frame.ts';
import { Session } from '../../src/net/session.ts';
import { formatToken, parseToken } from '../../src/net/token.ts';
import { parseEnvFile } from '../../src/roles/admin/secrets.ts';
import { readAnswer } from '../../src/scheduler/clock/nts-records.ts';
import { decodeReply } from '../../src/scheduler/clock/packet.ts';
import { TarReader } from '../../src/store/tar-reader.ts';
import { rawEntry } from '../store/raw-tar.ts';
import { readVectors } from './vector.ts';

const INPUTS = 20_000;
const seed = Number(process.env['SEED'] || Date.now() % 1_000_000);
const edges = [0, 1, 0x17, 0x18, 0x1f, 0x5f, 0x7f, 0x80, 0x9f, 0xbf, 0xfb, 0xff];

function changed(good: Uint8Array, random: Prng): Uint8Array {
  let bytes = Buffer.from(good);
  for (let left = random.int(1, 4); left > 0 && bytes.length > 0; left -= 1) {
    const at = random.int(0, bytes.length - 1);
    switch (random.int(0, 5)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 7));
        break;
      case 1:
        bytes[at] = random.pick(edges);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.int(0, at))]);
        break;
      case 4:
        bytes = Buffer.concat([bytes, bytes.subarray(at)]);
        break;
      default:
        bytes.fill(random.pick(edges), at, Math.min(bytes.length, at + random.int(1, 8)));
    }
  }
  return bytes;
}

function noise(random: Prng): Uint8Array {
  return Uint8Array.from({ length: random.int(0, 120) }, () => random.int(0, 255));
}

/** How many of them were taken; throws seed and input of what is neither that nor a named error. */
function fuzz(corpus: readonly Uint8Array[], parse: (bytes: Uint8Array) => unknown): number {
  const random = new Prng(seed);
  let taken = 0;
  for (let no = 0; no < INPUTS; no += 1) {
    const input = no % 10 === 9 ? noise(random) : changed(random.pick(corpus), random);
    try {
      parse(input);
      taken += 1;
    } catch (error) {
      if (error instanceof ProtocolError || error instanceof LotcError) continue;
      const hex = Buffer.from(input).toString('hex');
      throw new Error(`SEED=${seed}, input ${no}: ${hex}`, { cause: error });
    }
  }
  return taken;
}

/** A corpus of which everything or nothing is taken tries one half of a parser. */
function expectBoth(taken: number): void {
  expect(taken).toBeGreaterThan(INPUTS / 200);
  expect(taken).toBeLessThan(INPUTS * 0.995);
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const texts = (...all: string[]): Uint8Array[] => all.map((one) => Buffer.from(one));
const frames = readVectors().map(({ hex }) => Buffer.from(hex, 'hex'));

test('frames', () => {
  const taken = fuzz(frames, (bytes) => {
    const reader = new FrameReader();
    reader.push(bytes);
    for (let frame = reader.next(); frame; frame = reader.next());
  });
  expectBoth(taken);
});

test('bodies: CBOR of every message', () => {
  const taken = fuzz(
    frames.map((frame) => Buffer.concat([frame.subarray(5, 6), frame.subarray(20)])),
    (bytes) => decodeBody((layoutOfCode(bytes[0] ?? 0) ?? layoutOfCode(0))!.layout, bytes.slice(1)),
  );
  expectBoth(taken);
});

test('a whole session at the server: it ends, or it goes on, and nothing is thrown', () => {
  const options = { side: 'acceptor', nowMs: 0 } as const;
  const taken = fuzz(frames, (bytes) => {
    const session = new Session(options);
    const events = session.receive(bytes, 1);
    if (session.phase === 'ended') expect(events.at(-1)?.type).toBe('end');
    session.tick(2);
    session.takeOutput(1_000_000);
  });
  expect(taken).toBe(INPUTS);
});

test('tokens', () => {
  const token = formatToken({ secret: new Uint8Array(20).fill(7), pin: new Uint8Array(32) });
  fuzz(texts(token), (bytes) => {
    const parsed = parseToken(text(bytes));
    expect(formatToken(parsed)).toBe(text(bytes).trim());
  });
});

test('tar headers, extensions and content', () => {
  const end = new Uint8Array(1_024);
  const archives = [
    [
      rawEntry({ name: 'a/b', body: 'hello' }),
      rawEntry({ name: 'l', type: '2', link: 'a/b' }),
      end,
    ],
    [
      rawEntry({ name: 'x', type: 'x', body: '19 path=some/where\n' }),
      rawEntry({ name: 'y' }),
      end,
    ],
    [
      rawEntry({ name: '././@LongLink', type: 'L', body: 'n'.repeat(200) }),
      rawEntry({ name: 'z' }),
    ],
    [rawEntry({ name: 'big', base256: true, size: 512, body: 'b'.repeat(512) }), end],
  ].map((parts) => Buffer.concat(parts));
  const taken = fuzz(archives, (bytes) => {
    const reader = new TarReader('fuzz');
    for (let at = 0; at < bytes.length; at += 700) reader.push(bytes.subarray(at, at + 700));
  });
  expectBoth(taken);
});

test('answers of time servers: NTP and the key exchange of NTS', () => {
  const reply = new Uint8Array(48);
  reply[0] = 0x24;
  expect(fuzz([reply], decodeReply)).toBe(INPUTS);
  const granted = Buffer.from('80010002000080040002000f00050008aaaaaaaaaaaaaaaa80000000', 'hex');
  expect(fuzz([granted], readAnswer)).toBe(INPUTS);
});

test('words of people: selectors, addresses, files of variables', () => {
  const selectors = texts('web-*,n[01-20],zone in (a,b)', '@all,zone!=c', 'a,b,k=v');
  expectBoth(fuzz(selectors, (bytes) => parseSelector(text(bytes))));
  const addresses = texts('[fd00::7%eth0]:7416', '10.0.0.1:1', 'host.example');
  expectBoth(fuzz(addresses, (bytes) => parseAddress(text(bytes))));
  const files = texts('A=1\nB="two"\n# c\n');
  expectBoth(fuzz(files, (bytes) => parseEnvFile(text(bytes), 'f')));
});
