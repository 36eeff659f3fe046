/**
 * Adds golden vectors (tests/wire/vectors) for messages and states that have none: one with what
 * the body must hold, one with everything it may; and for keys that came to a message or a shape
 * later. Never changes one that is there: what is on the wire of one version is read by the next.
 * Run: node scripts/make-vectors.ts
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProtocolError, type ProtocolFault } from '../src/base/errors.ts';
import type { AnyBody } from '../src/net/bodies.ts';
import { encodeFrame } from '../src/net/codec.ts';
import { codeOf, layoutOfCode } from '../src/net/codes.ts';
import { encodeErrorFrame } from '../src/net/error-frame.ts';
import { sealFrame } from '../src/net/frame.ts';
import { type KeyType } from '../src/net/key-types.ts';
import { type Category, categories, type Fields, failure, layouts } from '../src/net/layout.ts';
import { type KeyName, keys } from '../src/net/registry.ts';
import { shapes } from '../src/net/shapes.ts';
import { type Lack, lacksOf } from '../tests/wire/lacks.ts';
import {
  type BadVector,
  directory,
  readVectors,
  toJson,
  type Vector,
} from '../tests/wire/vector.ts';

const at = 1_795_478_400_000_123;
const hex64 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Values a person would expect to read in a capture; others are made from their type. */
const samples: Partial<Record<KeyName, unknown>> = {
  ...{ task: 'crawl', node: 'n1', run: 'R0123456789A', operation: 'OABCDEFGHJKM' },
  ...{ processState: 'running', order: 'OABCDEFGHJKM/1', stream: 'stdout', bundle: 'crawler' },
  ...{ digest: `sha256:${hex64}`, spki: hex64, uid: 'N0123456789A', role: 'agent' },
  ...{ who: 'admin', origin: '[fd00::7]:51234', hint: 'lotc admin ps', on: 'zone=a' },
  ...{ command: ['./crawl', '--depth', '3'], env: { LANG: 'C.UTF-8', A: '1' }, signal: 'SIGKILL' },
  ...{ labels: { zone: 'a', rack: 'r1' }, addresses: ['[::1]:7416', '127.0.0.1:7416'] },
  ...{ cpuPercent: 12.5, load1: 0.33, text: 'task "web" is not running — nothing to kill' },
  ...{ offsetUs: -1_500, errorCode: 24, exitCode: 137, key: new Uint8Array(16).fill(0xab) },
  ...{ data: new TextEncoder().encode('hello\n'), sizeBytes: 5_000_000_000, verb: 'start' },
  ...{ pid: 31_337, memoryBytes: 123_456_789, heartbeatMs: 5_000, limit: 100, query: 'events' },
  ...{ schedule: 'nightly', action: 'start', cron: '30 2 * * *', tz: 'Europe/Warsaw', count: 5 },
  ...{ missed: 'once', overlap: 'forbid', everyUs: 200_000, maxClockErrorUs: 50_000, result: 'ok' },
  ...{ lateUs: 412, next: [at], splayUs: 30_000_000, mode: 'pause' },
};

function valueOf(name: KeyName, type: KeyType, full: boolean): unknown {
  const sample = samples[name];
  if (sample !== undefined) return sample;
  if (typeof type !== 'string') {
    if ('map' in type) return bodyOf(shapes[type.map], full);
    return full
      ? [bodyOf(shapes[type.list], true), bodyOf(shapes[type.list], false)]
      : [bodyOf(shapes[type.list], false)];
  }
  const [number] = keys[name];
  const made = {
    ...{ uint: number * 1_000, int: -number, time: at + number, text: `a ${name}`, float: 0.1 },
    ...{ bytes: Uint8Array.of(number), bool: true, texts: [`a ${name}`, ''], uints: [0, 24, 256] },
    strmap: { k: 'v' },
  };
  return made[type];
}

function bodyOf({ must, may }: Fields, full: boolean): AnyBody {
  const names = full ? [...must, ...may] : must;
  const sorted = names.toSorted((a, b) => keys[a][0] - keys[b][0]);
  return Object.fromEntries(sorted.map((name) => [name, valueOf(name, keys[name][1], full)]));
}

function vectorsOf(code: number): Vector[] {
  const coded = layoutOfCode(code);
  if (!coded) return [];
  const { kind, state, layout } = coded;
  // What fails, fails alike: everything a failure may hold is shown once.
  const isSample = layout !== failure || kind === 'taskRun';
  const whole = layout.may.length > 0 && isSample ? [true] : [];
  return [false, ...whole].map((full): Vector => {
    const body = bodyOf(layout, full);
    const isTransfer = kind === 'fileChunk' || kind === 'fileCredit';
    const more = (state === 'OK' && full) || kind === 'fileChunk';
    const again = state === 'REQ' && full;
    const answered = layoutOfCode(code | 2) !== undefined || isTransfer;
    const id = answered ? code + (full ? 1 : 1_000_000) : 0;
    const bytes = encodeFrame({ kind, state, id, more, again, body });
    const name = `${kind} ${state}${full ? ', everything' : ''}`;
    const hex = Buffer.from(bytes).toString('hex');
    return { ...{ name, kind, state, code, id, more, again }, body: toJson(body), hex };
  });
}

/** One vector for what came to a message, or to a shape in it, after its first were made. */
function laterVectors(category: Category, lacks: readonly Lack[]): Vector[] {
  return lacks.flatMap(({ kind, state, holders, names }): Vector[] => {
    if (layouts[kind].category !== category) return [];
    const { code, layout } = codeOf(kind, state);
    const body = bodyOf({ must: [...new Set([...layout.must, ...holders])], may: [] }, true);
    const id = 4_001;
    const hex = Buffer.from(encodeFrame({ kind, state, id, body })).toString('hex');
    const facts = { kind, state, code, id, more: false, again: false };
    const more = names.length > 4 ? ` and ${names.length - 4} more` : '';
    const name = `${kind} ${state}, with ${names.slice(0, 4).join(', ')}${more}`;
    return [{ name, ...facts, body: toJson(body), hex }];
  });
}

/** Body bytes that are no deterministic CBOR, or not what a retQuery REQ holds. */
const badBodies: Readonly<Record<string, readonly [ProtocolFault, string]>> = {
  'no body at all': ['bad-body', ''],
  'a list instead of a map': ['bad-field', '80'],
  'a map of indefinite length': ['bad-body', 'bf1866656e6f646573ff'],
  'a body that ends too early': ['bad-body', 'a11866656e6f6465'],
  'bytes behind the body': ['bad-body', 'a11866656e6f64657300'],
  'a key twice': ['bad-body', 'a21866616118666162'],
  'keys out of order': ['bad-body', 'a218666161006161'],
  'a key that is text': ['bad-field', 'a161616162'],
  'a number longer than need be': ['bad-body', 'a21866656e6f646573186a1800'],
  'a tag': ['bad-field', 'a11866c1656e6f646573'],
  'text that is not UTF-8': ['bad-body', 'a1186662c328'],
  'a number where text stands': ['bad-field', 'a1186601'],
  'a required key is missing': ['missing-field', 'a0'],
  '2^40 elements claimed': ['bad-body', 'a218489b00000100000000001866656e6f646573'],
  'nested too deeply': ['bad-body', `a21866656e6f6465731903e7${'81'.repeat(30)}00`],
};

/** Changed headers of a good frame: where, to what. */
const badHeaders: Readonly<Record<string, readonly [ProtocolFault, number, number]>> = {
  'another magic': ['bad-magic', 0, 0x47],
  'another version': ['bad-version', 4, 1],
  'an unknown critical flag': ['bad-flags', 6, 0x80],
  'a length of 2^32 - 1 and more': ['body-too-large', 8, 0xff],
  'another checksum': ['bad-checksum', 19, 0x55],
  'another id under the same checksum': ['bad-checksum', 15, 0x09],
};

function refused(): BadVector[] {
  const { code } = codeOf('retQuery', 'REQ');
  const bodies = Object.entries(badBodies).map(([name, [fault, hex]]) => {
    const frame = Buffer.concat([Buffer.alloc(20), Buffer.from(hex, 'hex')]);
    sealFrame(frame, { code, flags: 0, id: 7 });
    return { name, fault, frame };
  });
  const good = encodeFrame({ kind: 'retQuery', state: 'REQ', id: 7, body: { query: 'nodes' } });
  const headers = Object.entries(badHeaders).map(([name, [fault, place, value]]) => {
    const frame = Buffer.from(good);
    frame[place] = value;
    return { name, fault, frame };
  });
  const unknown = Buffer.from(good);
  sealFrame(unknown, { code: 0b110_111_00, flags: 0, id: 7 });
  const codes = [{ name: 'a code nobody has', fault: 'bad-code' as const, frame: unknown }];
  return [...headers, ...codes, ...bodies].map(({ name, fault, frame }) => {
    const id = fault === 'bad-code' ? 7 : 0;
    const answer = encodeErrorFrame(new ProtocolError(fault, name), id);
    return { name, fault, hex: frame.toString('hex'), answer: Buffer.from(answer).toString('hex') };
  });
}

/** Writes what is new; returns how many there are. */
function add(file: string, made: readonly { readonly name: string }[]): number {
  const path = join(directory, file);
  const kept = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as typeof made) : [];
  const known = new Set(kept.map(({ name }) => name));
  const all = [...kept, ...made.filter(({ name }) => !known.has(name))];
  writeFileSync(path, `[\n${all.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
  return all.length;
}

const firsts = categories.map((_, number) =>
  Array.from({ length: 32 }, (__, n) => vectorsOf((number << 5) | n)).flat(),
);
const known = new Set(readVectors().map(({ name }) => name));
const lacks = lacksOf([...readVectors(), ...firsts.flat().filter(({ name }) => !known.has(name))]);
for (const [number, category] of categories.entries()) {
  const made = [...(firsts[number] ?? []), ...laterVectors(category, lacks)];
  if (made.length === 0) continue;
  console.log(category, add(`${category.toLowerCase()}.json`, made));
}
console.log('refused', add('refused.json', refused()));
