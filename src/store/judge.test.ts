import { expect, test } from 'vitest';
import { type Findings, judge } from './judge.ts';

const id = Uint8Array.from({ length: 16 }, (_, index) => index);
const other = Uint8Array.from({ length: 16 }, () => 9);
const healthy: Findings = {
  id,
  previousId: undefined,
  epoch: 4,
  base: { seq: 0 },
  head: { seq: 10, crc: 77 },
  broken: undefined,
  torn: false,
  witness: { id, epoch: 4, seq: 10, crc: 77 },
  snapshots: [],
};

const faultOf = (findings: Partial<Findings>): string | undefined =>
  judge('j.db', { ...healthy, ...findings }).refusal?.fault;
const warningsOf = (findings: Partial<Findings>): readonly string[] =>
  judge('j.db', { ...healthy, ...findings }).warnings;

test('a journal that is as its witness says is written to without a word', () => {
  expect(judge('j.db', healthy)).toEqual({ refusal: undefined, warnings: [] });
});

test('a journal further than its witness is fine: the witness lags after a power cut', () => {
  expect(faultOf({ witness: { id, epoch: 4, seq: 8, crc: 1 } })).toBeUndefined();
});

test('a journal behind its witness went back, by records or by epoch', () => {
  expect(faultOf({ witness: { id, epoch: 4, seq: 11, crc: 1 } })).toBe('WentBack');
  expect(faultOf({ witness: { id, epoch: 5, seq: 10, crc: 77 } })).toBe('WentBack');
});

test('another record at the same place, or a witness of another journal, is damage', () => {
  expect(faultOf({ witness: { id, epoch: 4, seq: 10, crc: 78 } })).toBe('Damaged');
  expect(faultOf({ witness: { id: other, epoch: 4, seq: 10, crc: 77 } })).toBe('Damaged');
});

test('the witness of the history before an accepted loss is understood', () => {
  const witness = { id: other, epoch: 4, seq: 99, crc: 0 };
  expect(faultOf({ previousId: other, witness })).toBeUndefined();
  expect(warningsOf({ previousId: other, witness })).toHaveLength(1);
});

test('a torn tail is cut with a warning, unless the witness knows of what was in it', () => {
  expect(warningsOf({ torn: true })).toEqual([expect.stringContaining('after record 10 was cut')]);
  expect(faultOf({ torn: true, witness: { id, epoch: 4, seq: 11, crc: 1 } })).toBe('WentBack');
});

test('a break in the chain names the file and the record', () => {
  const broken = { seq: 5, why: 'record 5 does not match its checksum' };
  const { refusal } = judge('j.db', { ...healthy, broken });
  expect(refusal?.fault).toBe('Damaged');
  expect(refusal?.message).toBe(
    'j.db is damaged at record 5: record 5 does not match its checksum',
  );
  expect(refusal?.hint).toContain('restore');
});

test('records that only a snapshot could replace must have one', () => {
  expect(faultOf({ base: { seq: 3 } })).toBe('Damaged');
  expect(faultOf({ base: { seq: 3 }, snapshots: [{ seq: 3 }] })).toBeUndefined();
});

test('without a witness a warning is all there can be', () => {
  expect(warningsOf({ witness: 'missing' })).toHaveLength(1);
  expect(warningsOf({ witness: 'torn' })).toHaveLength(1);
  expect(warningsOf({ witness: 'missing', head: { seq: 0, crc: 0 } })).toHaveLength(0);
});
