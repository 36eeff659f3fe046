import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IDENTIFIER_BYTES, KeyPatience, NtsAssociation, type NtsKeys } from './nts.ts';
import { encodeField, type Field, fieldTypes, openPacket, sealPacket } from './nts-fields.ts';
import { type Answer, encodeAsking, encodeRecord, readAnswer } from './nts-records.ts';
import { encodeRequest } from './packet.ts';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
/** Bodies that are their own padding. */
const fields: fc.Arbitrary<Field[]> = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 0xffff }).filter((type) => type !== fieldTypes.seal),
    body: fc.integer({ min: 3, max: 30 }).chain((words) => bytesOf(4 * words)),
  }),
  { maxLength: 5 },
);

test('a sealed packet opens as it was; with a bit changed anywhere it does not', () => {
  fc.assert(
    fc.property(
      ...[bytesOf(32), bytesOf(48), fields, fields, bytesOf(16), fc.nat()],
      (key, header, open, hidden, nonce, where) => {
        const packet = sealPacket(key, { header, fields: open, hidden, nonce });
        expect(openPacket(key, packet)).toEqual({ fields: open, hidden });
        const at = where % (8 * packet.length);
        packet[at >> 3] = (packet[at >> 3] ?? 0) ^ (1 << (at & 7));
        expect(openPacket(key, packet)?.hidden).toBeUndefined();
      },
    ),
  );
});

test('whatever comes is judged without a fault', () => {
  const key = new Uint8Array(32);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(openPacket(key, bytes)?.hidden).toBeUndefined();
      expect(readAnswer(bytes)?.is).not.toBe('granted');
    }),
  );
});

const word = (value: number): Uint8Array => Uint8Array.from([value >> 8, value & 255]);
const text = (said: string): Uint8Array => new TextEncoder().encode(said);
const none = new Uint8Array(0);
const fine: readonly (readonly [number, Uint8Array])[] = [
  [1, word(0)],
  [4, word(15)],
  [5, text('cookie')],
];

function answer(...records: readonly (readonly [number, Uint8Array, boolean?])[]): Uint8Array {
  const all = [...records, [0, none, true] as const];
  return Buffer.concat(
    all.map(([type, body, critical = false]) => encodeRecord(type, body, critical)),
  );
}

test('what is asked for is NTPv4 with AES-SIV, and the end', () => {
  expect(Buffer.from(encodeAsking()).toString('hex')).toBe(
    ['800100020000', '80040002000f', '80000000'].join(''),
  );
});

test('an answer is granted once all of it is there', () => {
  const bytes = answer(...fine, [6, text('ntp.example')], [7, word(1_123)], [0x55, none]);
  for (let n = 0; n < bytes.length; n += 1) {
    expect(readAnswer(bytes.subarray(0, n))).toBeUndefined();
  }
  expect(readAnswer(bytes)).toEqual({
    ...{ is: 'granted', host: 'ntp.example', port: 1_123 },
    cookies: [text('cookie')],
  });
  expect(readAnswer(answer(...fine))).toMatchObject({ host: undefined, port: undefined });
});

test.each<[string, Uint8Array, RegExp]>([
  ['an error', answer([2, word(1), true]), /bad request/],
  ['an error that nobody knows', answer([2, word(77), true]), /unknown error/],
  ['another protocol', answer([1, word(1)], ...fine.slice(1)), /NTPv4/],
  ['another algorithm', answer([1, word(0)], [4, word(30)], [5, text('c')]), /AES-SIV/],
  ['no cookies', answer(...fine.slice(0, 2)), /no cookies/],
  ['an empty cookie', answer(...fine, [5, none]), /size/],
  ['a critical stranger', answer(...fine, [0x55, none, true]), /record 85/],
  ['a record twice', answer(...fine, [4, word(15)]), /twice/],
  ['port 0', answer(...fine, [7, word(0)]), /port/],
  ['a name of blanks', answer(...fine, [6, text('a b')]), /server that is none/],
])('an answer with %s grants nothing', (_, bytes, reason) => {
  const found = readAnswer(bytes) as Extract<Answer, { is: 'refused' }>;
  expect(found).toMatchObject({ is: 'refused' });
  expect(found.reason).toMatch(reason);
});

const keys: NtsKeys = {
  ...{ toServer: new Uint8Array(32).fill(1), toClient: new Uint8Array(32).fill(2) },
  cookies: Array.from({ length: 8 }, (_, n) => new Uint8Array(100).fill(n)),
  ...{ fromUs: 0, untilUs: 1e15 },
};
const header = encodeRequest(new Uint8Array(8).fill(7));
const chance = (n: number) => ({
  identifier: new Uint8Array(IDENTIFIER_BYTES).fill(n),
  nonce: new Uint8Array(16).fill(n),
});

function replyTo(request: Uint8Array, cookies = 1, key = keys.toClient): Uint8Array {
  const found = openPacket(keys.toServer, request);
  expect(found?.hidden).toEqual([]);
  const mine = found?.fields.filter(({ type }) => type === fieldTypes.identifier) ?? [];
  const hidden = Array.from({ length: cookies }, (_, n) => ({
    type: fieldTypes.cookie,
    body: new Uint8Array(100).fill(100 + n),
  }));
  return sealPacket(key, { header, fields: mine, hidden, nonce: new Uint8Array(16).fill(9) });
}

const roomIn = (request: Uint8Array): number =>
  openPacket(keys.toServer, request)?.fields.filter(({ type }) => type === fieldTypes.placeholder)
    .length ?? -1;

test('a cookie goes once; after losses there is room for as many as are missing', () => {
  const nts = new NtsAssociation(keys);
  const first = nts.seal(header, chance(1));
  expect([nts.cookies, roomIn(first)]).toEqual([7, 0]);
  expect(nts.open(replyTo(first), undefined)).toBeUndefined();
  expect(nts.cookies).toBe(8);
  for (let n = 2; n < 9; n += 1) expect(roomIn(nts.seal(header, chance(n)))).toBe(n - 2);
  const last = nts.seal(header, chance(9));
  expect(last.length).toBeLessThanOrEqual(1_200);
  expect(nts.spent).toMatch(/every NTS cookie was spent/);
  expect(nts.open(replyTo(last, 99), undefined)).toBeUndefined();
  expect([nts.cookies, nts.spent]).toEqual([8, undefined]);
});

test('a reply counts once, for its request, under its key', () => {
  const nts = new NtsAssociation(keys);
  const reply = replyTo(nts.seal(header, chance(1)));
  expect(nts.open(replyTo(nts.seal(header, chance(2)), 1, keys.toServer), undefined)).toMatch(
    /not authentic/,
  );
  expect(nts.open(reply, undefined)).toBeUndefined();
  expect(nts.open(reply, undefined)).toMatch(/not asked/);
  expect(nts.open(header, undefined)).toMatch(/not asked/);
});

test('a NAK wants new keys, unless an authentic reply comes after all', () => {
  const nts = new NtsAssociation(keys);
  const request = nts.seal(header, chance(1));
  const field = (n: number): Uint8Array =>
    encodeField({ type: fieldTypes.identifier, body: chance(n).identifier });
  expect(nts.open(Buffer.concat([header, field(3)]), 'NTSN')).toMatch(/not asked/);
  expect(nts.spent).toBeUndefined();
  expect(nts.open(Buffer.concat([header, field(1)]), 'RATE')).toMatch(/not authentic/);
  expect(nts.open(Buffer.concat([header, field(1)]), 'NTSN')).toMatch(/NAK/);
  expect(nts.spent).toMatch(/NAK/);
  expect(nts.open(replyTo(request), undefined)).toBeUndefined();
  expect(nts.spent).toBeUndefined();
});

test('keys are asked for at once, then later and later, until a reply was authentic', () => {
  const patience = new KeyPatience();
  expect(patience.leftUs(0)).toBe(0);
  const waits = Array.from({ length: 30 }, () => {
    patience.tried(0);
    return patience.leftUs(0) / 1e6;
  });
  expect(waits.slice(0, 3)).toEqual([10, 15, 22.5]);
  expect(waits.at(-1)).toBe(3_600);
  patience.succeeded();
  expect(patience.leftUs(0)).toBe(0);
});
