/**
 * Parsers that strangers reach, each with what is good for it, to be changed a little (bits, cuts,
 * doubled pieces, numbers at their edges), and with noise. The answer is a value or the parser's
 * own error; anything else is a fault. Inputs that once were one lie in `fuzz-corpus/NAME`, a line
 * of hex each, and are tried first.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LotcError, ProtocolError } from '../../src/base/errors.ts';
import { Prng } from '../../src/base/prng.ts';
import { parseSelector } from '../../src/base/selector.ts';
import { parseAddress } from '../../src/net/address.ts';
import { decodeBody } from '../../src/net/codec.ts';
import { layoutOfCode } from '../../src/net/codes.ts';
import { FrameReader } from '../../src/net/frame.ts';
import { Session } from '../../src/net/session.ts';
import { formatToken, parseToken } from '../../src/net/token.ts';
import { readManifests } from '../../src/roles/admin/manifest/read.ts';
import { parseEnvFile } from '../../src/roles/admin/secrets.ts';
import { signOf } from '../../src/roles/agent/sign.ts';
import { parseHooks } from '../../src/roles/server/hook-rule.ts';
import { readAnswer } from '../../src/scheduler/clock/nts-records.ts';
import { decodeReply } from '../../src/scheduler/clock/packet.ts';
import { TarReader } from '../../src/store/tar-reader.ts';
import { parseEvent, parseExitRecord, parseShimRecord } from '../../src/supervisor/shim.ts';
import { rawEntry } from '../store/raw-tar.ts';
import { readVectors } from './vector.ts';

export interface FuzzCase {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  /** What is taken in the end: all of it, or some and not all. */
  readonly takes: 'all' | 'some';
  parse(bytes: Uint8Array): void;
}

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

/** What is neither a value nor a named error, with the input it takes to see it again. */
export class FuzzFault extends Error {
  readonly hex: string;
  constructor(text: string, input: Uint8Array, cause: unknown) {
    const hex = Buffer.from(input).toString('hex');
    super(`${text}: ${hex}`, { cause });
    this.hex = hex;
  }
}

function isTaken(one: FuzzCase, input: Uint8Array, what: string): boolean {
  try {
    one.parse(input);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof LotcError) return false;
    throw new FuzzFault(`${one.name}, ${what}`, input, error);
  }
}

/** How many of so many inputs were taken; throws FuzzFault. */
export function fuzz(one: FuzzCase, inputs: number, seed: number): number {
  const random = new Prng(seed);
  for (const input of findings(one.name)) isTaken(one, input, 'found before');
  let taken = 0;
  for (let no = 0; no < inputs; no += 1) {
    const input = no % 10 === 9 ? noise(random) : changed(random.pick(one.corpus), random);
    if (isTaken(one, input, `SEED=${seed}, input ${no}`)) taken += 1;
  }
  return taken;
}

export const corpusPath = (name: string): string =>
  join(import.meta.dirname, 'fuzz-corpus', name.replaceAll(' ', '-'));

function findings(name: string): readonly Uint8Array[] {
  const path = corpusPath(name);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'));
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const texts = (...all: string[]): Uint8Array[] => all.map((one) => Buffer.from(one));
const frames = readVectors().map(({ hex }) => Buffer.from(hex, 'hex'));

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const end = new Uint8Array(1_024);
const archives = [
  [rawEntry({ name: 'a/b', body: 'hello' }), rawEntry({ name: 'l', type: '2', link: 'a/b' }), end],
  [rawEntry({ name: 'x', type: 'x', body: '19 path=some/where\n' }), rawEntry({ name: 'y' }), end],
  [rawEntry({ name: '././@LongLink', type: 'L', body: 'n'.repeat(200) }), rawEntry({ name: 'z' })],
  [rawEntry({ name: 'big', base256: true, size: 512, body: 'b'.repeat(512) }), end],
].map((parts) => Buffer.concat(parts));

const ntpReply = new Uint8Array(48);
ntpReply[0] = 0x24;

/** Short ones: the parser of YAML takes its time. */
const manifests = texts(
  'kind: Task\nname: a\ncommand: [./a, "3"]\non: {labels: {z: a}}\n',
  'kind: Task\nname: b\ncommand: x\nafter: [{task: a, on: exit}]\n',
  'kind: Task\nname: c\nrestart: {policy: always, backoff: 1s..5m}\n',
  'kind: Task\nlimits: {memory: 512MiB, cpu: 1.5}\nresults: ["o/**"]\n',
  'kind: Schedule\nname: n\ntask: a\ncron: "30 2 * * *"\ntz: UTC\n',
  '{"kind": "Node", "name": "n1", "labels": {"z": "a"}}\n---\n- 1\n',
);

export const fuzzCases: readonly FuzzCase[] = [
  {
    name: 'frames',
    corpus: frames,
    takes: 'some',
    parse(bytes) {
      const reader = new FrameReader();
      reader.push(bytes);
      for (let frame = reader.next(); frame; frame = reader.next());
    },
  },
  {
    name: 'bodies',
    corpus: frames.map((frame) => Buffer.concat([frame.subarray(5, 6), frame.subarray(20)])),
    takes: 'some',
    parse(bytes) {
      const of = layoutOfCode(bytes[0] ?? 0) ?? layoutOfCode(0);
      if (of) decodeBody(of.layout, bytes.slice(1));
    },
  },
  {
    name: 'sessions',
    corpus: frames,
    takes: 'all',
    parse(bytes) {
      const session = new Session({ side: 'acceptor', nowMs: 0 });
      const events = session.receive(bytes, 1);
      must(session.phase !== 'ended' || events.at(-1)?.type === 'end', 'it ended without a word');
      session.tick(2);
      session.takeOutput(1_000_000);
    },
  },
  {
    name: 'tokens',
    corpus: texts(formatToken({ secret: new Uint8Array(20).fill(7), pin: new Uint8Array(32) })),
    takes: 'some',
    parse(bytes) {
      must(formatToken(parseToken(text(bytes))) === text(bytes).trim(), 'another token');
    },
  },
  {
    name: 'tar',
    corpus: archives,
    takes: 'some',
    parse(bytes) {
      const reader = new TarReader('fuzz');
      for (let at = 0; at < bytes.length; at += 700) reader.push(bytes.subarray(at, at + 700));
    },
  },
  { name: 'ntp', corpus: [ntpReply], takes: 'all', parse: (bytes) => void decodeReply(bytes) },
  {
    name: 'nts',
    corpus: [Buffer.from('80010002000080040002000f00050008aaaaaaaaaaaaaaaa80000000', 'hex')],
    takes: 'all',
    parse: (bytes) => void readAnswer(bytes),
  },
  {
    name: 'notify',
    corpus: texts(
      ...['sign 1234567890 42 WATCHDOG=1', 'sign 99 7 STATUS=half way', 'started 1 2 3 4'],
      ...['exited code 0 1 2 3 4 5', 'quiet 12 34', 'acted kill 1 2 0', 'failed exec 2 1'],
    ),
    takes: 'all',
    parse(bytes) {
      const event = parseEvent(text(bytes));
      if (event.kind === 'sign') signOf(event.name, event.value);
      parseShimRecord(text(bytes));
      parseExitRecord(text(bytes));
    },
  },
  {
    name: 'manifests',
    corpus: manifests,
    takes: 'all',
    parse(bytes) {
      const { documents, faults } = readManifests([{ file: 'f', text: text(bytes) }]);
      for (const { place } of faults) must(/^f(:\d+:\d+)?$/.test(place), `no place: ${place}`);
      must(Array.isArray(documents), 'no documents');
    },
  },
  {
    name: 'selectors',
    corpus: texts('web-*,n[01-20],zone in (a,b)', '@all,zone!=c', 'a,b,k=v'),
    takes: 'some',
    parse: (bytes) => void parseSelector(text(bytes)),
  },
  {
    name: 'addresses',
    corpus: texts('[fd00::7%eth0]:7416', '10.0.0.1:1', 'host.example'),
    takes: 'some',
    parse: (bytes) => void parseAddress(text(bytes)),
  },
  {
    name: 'variables',
    corpus: texts('A=1\nB="two"\n# c\n'),
    takes: 'some',
    parse: (bytes) => void parseEnvFile(text(bytes), 'f'),
  },
  {
    name: 'hooks',
    corpus: texts('failed,node-*=https://a.example/b?c=d', 'late=/bin/x'),
    takes: 'some',
    parse: (bytes) => void parseHooks([text(bytes)]),
  },
];
