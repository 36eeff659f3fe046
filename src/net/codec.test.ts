import {
  decode as cborgDecode,
  encode as cborgEncode,
  rfc8949EncodeOptions,
  Token,
  Type,
} from 'cborg';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import {
  decodeBody,
  decodeFrame,
  decodeShape,
  encodeBody,
  encodeChunk,
  encodeFrame,
  encodeShape,
} from './codec.ts';
import { codeOf, fieldsOf, layoutOfCode } from './codes.ts';
import { checksumOf, FrameReader } from './frame.ts';
import { type KeyType, reserved } from './key-types.ts';
import { type AnyBody, type Fields, layouts, type MessageKind, shapes, states } from './layout.ts';
import { type KeyName, keys } from './registry.ts';

const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }));
const uint = fc.oneof(fc.nat(), fc.maxSafeNat());

function arbitraryOf(type: KeyType): fc.Arbitrary<unknown> {
  if (typeof type !== 'string') {
    if ('map' in type) return bodyOf(shapes[type.map]);
    return fc.array(bodyOf(shapes[type.list]), { maxLength: 3 });
  }
  const arbitraries = {
    ...{ uint, time: uint, int: fc.maxSafeInteger(), text, bool: fc.boolean() },
    float: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()),
    bytes: fc.uint8Array({ maxLength: 50 }),
    texts: fc.array(text, { maxLength: 4 }),
    uints: fc.array(uint, { maxLength: 4 }),
    strmap: fc.dictionary(fc.oneof(text, fc.constant('__proto__')), text, {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  } as const;
  return arbitraries[type];
}

function bodyOf(layout: Fields): fc.Arbitrary<AnyBody> {
  const names = [...layout.must, ...layout.may];
  const model = Object.fromEntries(names.map((name) => [name, arbitraryOf(keys[name][1])]));
  return fc.record(model, {
    requiredKeys: [...layout.must],
    noNullPrototype: true,
  }) as fc.Arbitrary<AnyBody>;
}

const coded = Array.from({ length: 256 }, (_, code) => layoutOfCode(code)).filter(
  (one) => one !== undefined,
);
const anyMessage = fc.constantFrom(...coded).chain(({ kind, state, layout }) =>
  fc.record({
    kind: fc.constant(kind),
    state: fc.constant(state),
    id: fc.nat(),
    body: bodyOf(layout),
  }),
);

function readFrame(bytes: Uint8Array) {
  const reader = new FrameReader();
  reader.bodyBytesMax = limits.bodyBytes;
  reader.push(bytes);
  return reader.next();
}

/** cborg as the oracle: the same map, told which numbers are floats. */
function oracle(layout: Fields, body: AnyBody): Uint8Array {
  const tree = (type: KeyType, value: unknown): unknown => {
    if (typeof type !== 'string') {
      if ('map' in type) return mapOf(shapes[type.map], value as AnyBody);
      return (value as AnyBody[]).map((one) => mapOf(shapes[type.list], one));
    }
    if (type === 'strmap') return new Map(Object.entries(value as object));
    if (type === 'float') return { float: value };
    return value;
  };
  const mapOf = (fields: Fields, value: AnyBody) =>
    new Map(
      [...fields.must, ...fields.may]
        .filter((name) => value[name] !== undefined)
        .map((name) => [keys[name][0], tree(keys[name][1], value[name])]),
    );
  return cborgEncode(mapOf(layout, body), {
    ...rfc8949EncodeOptions,
    typeEncoders: { Object: (value: { float: number }) => new Token(Type.float, value.float) },
  });
}

const faultOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error.fault;
    throw error;
  }
  return 'none';
};

test('the registry has no number twice and no name the dissector takes', () => {
  const numbers = Object.values(keys).map(([number]) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(reserved.filter((name) => name in keys)).toEqual([]);
});

test('every state of every message has its own code, and it is CCC SSS TT', () => {
  for (const kind of Object.keys(layouts) as MessageKind[]) {
    for (const state of states.filter((one) => fieldsOf(kind, one))) {
      expect(layoutOfCode(codeOf(kind, state).code)).toMatchObject({ kind, state });
    }
  }
  expect(codeOf('taskRun', 'REQ').code).toBe(0b001_010_00);
  expect(codeOf('ping', 'OK').code).toBe(0b110_000_10);
  expect(() => codeOf('hostSample', 'OK')).toThrow('no state');
});

test('decode ∘ encode is the identity, for every message and state', () => {
  fc.assert(
    fc.property(anyMessage, fc.boolean(), fc.boolean(), (message, more, again) => {
      const frame = readFrame(encodeFrame({ ...message, more, again }));
      expect(frame && decodeFrame(frame)).toEqual({
        ...message,
        more,
        again,
        flags: (more ? 256 : 0) + (again ? 1 : 0),
      });
    }),
    { numRuns: 1000 },
  );
});

test('cborg, the oracle, writes the same bytes and reads ours strictly', () => {
  fc.assert(
    fc.property(anyMessage, ({ kind, state, body }) => {
      const layout = codeOf(kind, state).layout;
      const bytes = encodeBody(layout, body);
      expect(Buffer.from(bytes).toString('hex')).toBe(
        Buffer.from(oracle(layout, body)).toString('hex'),
      );
      cborgDecode(bytes, {
        strict: true,
        useMaps: true,
        rejectDuplicateMapKeys: true,
        allowIndefinite: false,
      });
    }),
    { numRuns: 500 },
  );
});

test('whatever the bytes: a body or a ProtocolError, and what is taken is canonical', () => {
  const mutated = anyMessage.chain(({ kind, state, body }) => {
    const bytes = encodeBody(codeOf(kind, state).layout, body);
    const at = fc.nat({ max: Math.max(0, bytes.length - 1) });
    return fc.tuple(
      fc.constant(codeOf(kind, state).layout),
      fc.constant(bytes),
      fc.array(fc.tuple(at, fc.nat(255)), { maxLength: 4 }),
      at,
    );
  });
  fc.assert(
    fc.property(mutated, fc.boolean(), ([layout, good, changes, cut], short) => {
      const bytes = Uint8Array.from(short ? good.subarray(0, cut) : good);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      let body: AnyBody | undefined;
      const fault = faultOf(() => (body = decodeBody(layout, bytes)));
      if (fault === 'none') {
        // Unknown keys may have been dropped, never anything read differently.
        const again = encodeBody(layout, body as AnyBody);
        if (again.length === bytes.length) expect(Buffer.compare(again, bytes)).toBe(0);
        else expect(again.length).toBeLessThan(bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...coded),
      fc.uint8Array({ maxLength: 200 }),
      ({ layout }, bytes) => {
        faultOf(() => decodeBody(layout, bytes));
      },
    ),
    { numRuns: 3000 },
  );
});

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const one: Fields = {
  must: [],
  may: ['seq', 'at', 'text', 'data', 'names', 'ok', 'load1', 'env', 'offsetUs'],
};

test.each([
  ['nothing at all', '', 'bad-body'],
  ['no map', '80', 'bad-field'],
  ['an indefinite map', 'bf ff', 'bad-body'],
  ['bytes behind the end', 'a0 00', 'bad-body'],
  ['a pair that is missing', 'a1', 'bad-body'],
  ['the same key twice', 'a2 03 01 03 01', 'bad-body'],
  ['keys that descend', 'a2 04 01 03 01', 'bad-body'],
  ['a key that is text', 'a1 61 61 01', 'bad-field'],
  ['a number that is too long', 'a1 03 18 17', 'bad-body'],
  ['a number past 2^53', 'a1 03 1b 0020000000000000', 'bad-field'],
  ['a number of the wrong type', 'a1 03 61 61', 'bad-field'],
  ['an instant that is not a number', 'a1 04 f9 7e00', 'bad-field'],
  ['a tag', 'a1 04 c1 00', 'bad-field'],
  ['a tag under an unknown key', 'a1 19 0fff c1 00', 'bad-body'],
  ['a reserved length', 'a1 03 1c', 'bad-body'],
  ['2^40 bytes claimed', 'a1 07 5b 0000010000000000', 'bad-body'],
  ['2^40 elements claimed', 'a1 18 48 9b 0000010000000000', 'bad-body'],
  ['2^40 pairs claimed', 'bb 0000010000000000', 'bad-body'],
  ['text that is not UTF-8', 'a1 13 62 c328', 'bad-body'],
  ['an overlong text', 'a1 13 62 c080', 'bad-body'],
  ['a surrogate', 'a1 13 63 eda080', 'bad-body'],
  ['NaN', 'a1 18 85 f9 7e00', 'bad-field'],
  ['infinity', 'a1 18 85 f9 7c00', 'bad-field'],
  ['a double that fits a half', 'a1 18 85 fb 3ff0000000000000', 'bad-body'],
  ['a boolean of the wrong type', 'a1 0e f6', 'bad-field'],
  ['a string map out of order', 'a1 18 35 a2 6162 60 6161 60', 'bad-body'],
  ['a string map that is not in order of length', 'a1 18 35 a2 626161 60 6162 60', 'bad-body'],
  ['an unknown map with a key twice', 'a1 19 0fff a2 00 00 00 00', 'bad-body'],
  ['an unknown break', 'a1 19 0fff ff', 'bad-body'],
])('%s is refused', (_, bytes, fault) => {
  expect(faultOf(() => decodeBody(one, hex(bytes)))).toBe(fault);
});

test('depth and items have their limits, also under unknown keys', () => {
  const nested = (depth: number) => hex(`a1190fff${'81'.repeat(depth)}00`);
  expect(decodeBody(one, nested(limits.cborDepth - 2))).toEqual({});
  expect(faultOf(() => decodeBody(one, nested(limits.cborDepth)))).toBe('bad-body');
  expect(faultOf(() => decodeBody(one, nested(100_000)))).toBe('bad-body');
  const names = (count: number) => ({ names: Array.from({ length: count }, () => 'a') });
  const most = encodeBody(one, names(limits.cborItems - 1));
  expect(decodeBody(one, most).names).toHaveLength(limits.cborItems - 1);
  expect(faultOf(() => decodeBody(one, encodeBody(one, names(limits.cborItems))))).toBe('bad-body');
});

test('what a peer would refuse is not sent: too large is an error with a name', () => {
  const query = (names: string[]) => () =>
    encodeFrame({ kind: 'retQuery', state: 'REQ', id: 1, body: { query: 'x', names } });
  expect(query(Array.from({ length: 10_001 }, () => 'a'))).toThrow(LotcError);
  expect(query(['x'.repeat(limits.cborTextBytes + 1)])).toThrow(/does not fit/);
  expect(
    query([
      'x'.repeat(250_000),
      'x'.repeat(250_000),
      'x'.repeat(250_000),
      'x'.repeat(250_000),
      'x'.repeat(250_000),
    ]),
  ).toThrow(/does not fit/);
});

test('a missing key is named; a key the body does not have is our own bug', () => {
  expect(faultOf(() => decodeBody(layouts.hostHello.req, hex('a0')))).toBe('missing-field');
  expect(() => decodeBody(layouts.hostHello.req, hex('a0'))).toThrow('"instance" is missing');
  expect(() => encodeBody(one, { pid: 1 })).toThrow('this body has no "pid"');
  expect(() => encodeBody(layouts.hostHello.req, {})).toThrow('is missing');
  expect(encodeBody(one, { seq: undefined, ok: true })).toEqual(Buffer.from(hex('a10ef5')));
});

test('keys nobody knows, or of other messages, are passed over', () => {
  expect(decodeBody(one, hex('a4 00 6161 03 05 190fff a1 61 61 82 f6 20 1a 00010000 40'))).toEqual({
    seq: 5,
  });
});

test('a map of more than 23 keys has a longer head', () => {
  const names = [...shapes.item.must, ...shapes.item.may] as KeyName[];
  const arbitrary = fc.record(
    Object.fromEntries(names.map((name) => [name, arbitraryOf(keys[name][1])])),
    { noNullPrototype: true },
  );
  for (const body of fc.sample(arbitrary, 20)) {
    expect(decodeShape('item', encodeShape('item', body as never))).toEqual(body);
  }
});

test('large data is not copied, small data is', () => {
  const bytes = encodeBody(one, { data: new Uint8Array(16_320).fill(1) });
  expect(decodeBody(one, bytes).data?.buffer).toBe(bytes.buffer);
  const small = encodeBody(one, { data: new Uint8Array(16).fill(1) });
  expect(decodeBody(one, small).data?.buffer).not.toBe(small.buffer);
});

test('a chunk in two pieces is the same frame, and its data is not copied', () => {
  fc.assert(
    fc.property(uint, fc.uint8Array(), fc.boolean(), fc.nat(), (offset, data, last, id) => {
      const pieces = encodeChunk(id, { offset, data, last });
      const body = { offset, data };
      const whole = encodeFrame({ kind: 'fileChunk', state: 'REQ', id, more: !last, body });
      expect(Buffer.compare(Buffer.concat(pieces), whole)).toBe(0);
      expect(pieces[1]).toBe(data);
    }),
  );
});

test('a chunk of the largest size fits one TLS record', () => {
  const body = { offset: limits.bundleBytes, data: new Uint8Array(limits.chunkBytes) };
  const frame = encodeFrame({ kind: 'fileChunk', state: 'REQ', id: 0xffff_ffff, body });
  expect(frame.length).toBeLessThanOrEqual(16_384);
  expect(checksumOf(frame)).toBe(Buffer.from(frame).readUInt32BE(16));
});
