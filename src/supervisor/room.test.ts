import { expect, test } from 'vitest';
import { askOf, askValueFault, parseReserve, parseSlots, roomFault, roomOf } from './room.ts';

const GiB = 1024 ** 3;

test('work that ends asks for a slot, a service and an ad-hoc command for none, unless asked', () => {
  expect(askOf({})).toEqual({ slots: 1, cores: 0, memoryBytes: 0 });
  expect(askOf({ restart: 'on-failure' }).slots).toBe(1);
  expect(askOf({ restart: 'always' }).slots).toBe(0);
  expect(askOf({ restart: 'always', slots: 2 }).slots).toBe(2);
  expect(askOf({ slots: 0 }).slots).toBe(0);
  expect(askOf({}, false).slots).toBe(0);
  expect(askOf({ cpuMax: 0.5, memoryMaxBytes: GiB })).toEqual({
    ...{ slots: 1, cores: 0.5, memoryBytes: GiB },
  });
});

test('what never fits is named, with what the node has', () => {
  const room = { slots: 2, cores: 1.5, memoryBytes: GiB };
  const none = { slots: 0, cores: 0, memoryBytes: 0 };
  expect(roomFault({ slots: 2, cores: 1.5, memoryBytes: GiB }, room)).toBeUndefined();
  expect(roomFault({ ...none, slots: 3 }, room)).toBe('it asks for 3 slots, and the node has 2');
  expect(roomFault({ ...none, slots: 3 }, { ...room, slots: undefined })).toBeUndefined();
  expect(roomFault({ ...none, cores: 2 }, room)).toBe('it asks for 2 cores, and the node has 1.5');
  expect(roomFault({ ...none, memoryBytes: 2 * GiB }, room)).toBe(
    'it asks for 2.0GiB of memory, and the node has 1.0GiB',
  );
});

test('what is reserved is no room; more than there is leaves nothing', () => {
  const machine = { cores: 2, memoryBytes: 4 * GiB };
  expect(roomOf(machine, {})).toEqual({ slots: undefined, ...machine });
  expect(roomOf(machine, { slots: 3, ...parseReserve('memory=1GiB,cpu=0.3') })).toEqual({
    ...{ slots: 3, cores: 1.7, memoryBytes: 3 * GiB },
  });
  expect(roomOf(machine, parseReserve('cpu=9,memory=9GiB'))).toMatchObject({
    ...{ cores: 0, memoryBytes: 0 },
  });
});

test('what is no reserve, no number of slots, no priority and no preemption is named', () => {
  for (const text of ['', 'disk=1', 'memory', 'cpu=-1', 'memory=x', 'cpu=1,']) {
    expect(() => parseReserve(text), text).toThrow(/--reserve/);
  }
  for (const text of ['-1', 'x', '', '1000001']) expect(() => parseSlots(text)).toThrow(/--slots/);
  expect(parseSlots('0')).toBe(0);
  expect(askValueFault({ slots: 1, priority: 65_535, preempt: 'kill' })).toBeUndefined();
  expect(askValueFault({ priority: 65_536 })).toMatch(/^priority: 65536 /);
  expect(askValueFault({ slots: 1e7 })).toMatch(/^slots: /);
  expect(askValueFault({ preempt: 'often' })).toMatch(/^preempt: "often"/);
});
