/**
 * Every `Fields` of the layout table becomes a plan once: its keys in ascending order of their
 * numbers, each with how its type is written and read; encoding and decoding a map walk its plan.
 * Keys that are not in the plan are passed over. Knows nothing of frames.
 */
import { assert, unreachable } from '../base/assert.ts';
import { LotcError, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { CborReader, malformed } from './cbor-read.ts';
import { CborWriter } from './cbor-write.ts';
import { type KeyType, type ShapeName } from './key-types.ts';
import { type KeyName, keys } from './registry.ts';
import { type Fields, shapes } from './shapes.ts';

export type Open = Record<string, unknown>;

interface Field {
  readonly name: KeyName;
  readonly number: number;
  readonly must: boolean;
  readonly write: (value: unknown) => void;
  readonly read: (depth: number) => unknown;
}

interface Plan {
  /** In ascending order of their numbers. */
  readonly fields: readonly Field[];
  readonly byNumber: readonly (Field | undefined)[];
  readonly mustCount: number;
}

/** Encoding and decoding never overlap: one writer and one reader serve all. */
export const writer = new CborWriter();
export const reader = new CborReader();
const plans = new WeakMap<Fields, Plan>();

export function planOf(layout: Fields): Plan {
  let plan = plans.get(layout);
  if (!plan) {
    const names = [...new Set([...layout.must, ...layout.may])];
    const must = new Set<KeyName>(layout.must);
    const fields = names
      .map((name): Field => {
        const [number, type] = keys[name];
        return { name, number, must: must.has(name), ...handlers(type) };
      })
      .sort((a, b) => a.number - b.number);
    const byNumber: (Field | undefined)[] = Array.from({ length: 256 });
    for (const field of fields) byNumber[field.number] = field;
    plan = { fields, byNumber, mustCount: must.size };
    plans.set(layout, plan);
  }
  return plan;
}

function handlers(type: KeyType): Pick<Field, 'write' | 'read'> {
  if (typeof type !== 'string') {
    return 'map' in type ? nested(type.map) : listOf(nested(type.list));
  }
  switch (type) {
    case 'uint':
    case 'time':
      return { write: (value) => writer.uint(value as number), read: () => reader.uint() };
    case 'int':
      return { write: (value) => writer.int(value as number), read: () => reader.int() };
    case 'float':
      return { write: (value) => writer.float(value as number), read: () => reader.float() };
    case 'text':
      return { write: (value) => writeText(value as string), read: () => reader.text() };
    case 'bytes':
      return { write: (value) => writer.bytes(value as Uint8Array), read: () => reader.bytes() };
    case 'bool':
      return { write: (value) => writer.bool(value as boolean), read: () => reader.bool() };
    case 'texts':
      return listOf(handlers('text'));
    case 'uints':
      return listOf(handlers('uint'));
    case 'strmap':
      return { write: (value) => writeStrings(value as Record<string, string>), read: readStrings };
    default:
      return unreachable(type);
  }
}

function nested(shape: ShapeName): Pick<Field, 'write' | 'read'> {
  const layout: Fields = shapes[shape];
  return {
    write: (value) => writeMap(planOf(layout), value as Open),
    read: (depth) => readMap(planOf(layout), depth + 1),
  };
}

function listOf(one: Pick<Field, 'write' | 'read'>): Pick<Field, 'write' | 'read'> {
  return {
    write: (value) => {
      const list = value as readonly unknown[];
      writer.list(list.length);
      for (const element of list) one.write(element);
    },
    read: (depth) => {
      const list: unknown[] = [];
      for (let left = reader.list(); left > 0; left -= 1) list.push(one.read(depth + 1));
      return list;
    },
  };
}

function writeText(value: string): void {
  assert(typeof value === 'string', `not a text: ${typeof value}`);
  if (value.length > limits.cborTextBytes / 3) {
    const length = Buffer.byteLength(value);
    if (length > limits.cborTextBytes) throw tooLarge(`a text of ${length} bytes`);
  }
  writer.text(value);
}

/** In the order of their encodings, which is by length first (RFC 8949, 4.2.1). */
function writeStrings(value: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(value).map(([key, text]) => ({ key: Buffer.from(key), text }));
  pairs.sort((a, b) => a.key.length - b.key.length || Buffer.compare(a.key, b.key));
  writer.map(pairs.length);
  for (const { key, text } of pairs) {
    writer.text(key.toString());
    writeText(text);
  }
}

function readStrings(): Readonly<Record<string, string>> {
  const strings: Record<string, string> = {};
  let previous: Buffer | undefined;
  for (let left = reader.map(); left > 0; left -= 1) {
    const name = reader.text();
    const key = Buffer.from(name);
    if (previous) {
      const order = previous.length - key.length || Buffer.compare(previous, key);
      if (order >= 0) throw malformed('keys out of order');
    }
    previous = key;
    const value = reader.text();
    if (name === '__proto__') Object.defineProperty(strings, name, { value, ...plain });
    else strings[name] = value;
  }
  return strings;
}

const plain = { enumerable: true, writable: true, configurable: true };

export function writeMap(plan: Plan, body: Open): void {
  const place = writer.beginMap();
  let pairs = 0;
  for (const field of plan.fields) {
    const value = body[field.name];
    if (value === undefined) {
      assert(!field.must, `"${field.name}" is missing`);
      continue;
    }
    writer.uint(field.number);
    field.write(value);
    pairs += 1;
  }
  writer.endMap(place, pairs);
  let known = 0;
  for (const name in body) if (body[name] !== undefined) known += 1;
  if (known !== pairs) rejectStranger(plan, body);
}

function rejectStranger(plan: Plan, body: Open): never {
  const names = new Set<string>(plan.fields.map(({ name }) => name));
  const strangers = Object.keys(body).filter((name) => !names.has(name));
  throw new Error(`assertion failed: this body has no "${strangers.join('", "')}"`);
}

export function readMap(plan: Plan, depth: number): Open {
  const body: Open = {};
  let previous = -1;
  let must = 0;
  for (let left = reader.map(); left > 0; left -= 1) {
    const number = reader.uint();
    if (number <= previous) throw malformed('keys out of order');
    previous = number;
    const field = plan.byNumber[number];
    if (!field) {
      reader.skip(depth + 1);
      continue;
    }
    body[field.name] = readField(field, depth);
    if (field.must) must += 1;
  }
  if (must !== plan.mustCount) throw missing(plan, body);
  return body;
}

function readField(field: Field, depth: number): unknown {
  try {
    return field.read(depth);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.fault !== 'bad-field') throw error;
    throw new ProtocolError('bad-field', `${field.name}: ${error.message}`);
  }
}

function missing(plan: Plan, body: Open): ProtocolError {
  const field = plan.fields.find(({ must, name }) => must && !(name in body));
  return new ProtocolError('missing-field', `"${field?.name}" is missing`);
}

export function tooLarge(what: string): LotcError {
  return new LotcError('too-large', `${what} does not fit into a message`);
}
