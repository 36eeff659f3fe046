import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventLines, parseEvent, parseExitRecord, parseShimRecord } from './shim.ts';
import { encodeCommand } from './shim-command.ts';

test('each line of the protocol is its event', () => {
  expect(parseEvent('hello 1 4711')).toEqual({ kind: 'hello', version: 1, shimPid: 4711 });
  expect(parseEvent('started 7 123 5665515783999 1795484379881760555')).toEqual({
    kind: 'started',
    pid: 7,
    startTicks: 123,
    monotonicUs: 5665515783,
    realUs: 1795484379881760,
  });
  expect(parseEvent('failed exec 2')).toEqual({ kind: 'failed', step: 'exec', errno: 2 });
  expect(parseEvent('exited core 11 1 2 3 4000 5000')).toEqual({
    kind: 'exited',
    how: 'core',
    value: 11,
    userUs: 1,
    systemUs: 2,
    maxRssKiB: 3,
    monotonicUs: 4,
    realUs: 5,
  });
  expect(parseEvent('failed exec 2 7000')).toMatchObject({ errno: 2, monotonicUs: 7 });
  expect(parseEvent('armed 7 123 5665515783')).toEqual({
    kind: 'armed',
    pid: 7,
    startTicks: 123,
    plannedUs: 5665515783,
  });
  expect(parseEvent('recorded')).toEqual({ kind: 'recorded' });
  expect(parseEvent('record-failed 28')).toEqual({ kind: 'record-failed', errno: 28 });
  expect(parseEvent('acted kill 5 7000 2')).toEqual({
    kind: 'acted',
    name: 'kill',
    plannedUs: 5,
    monotonicUs: 7,
    errno: 2,
  });
  const text = Buffer.from('sign 7000 9 STATUS=a=ü').toString('latin1');
  expect(parseEvent(text)).toEqual({
    kind: 'sign',
    monotonicUs: 7,
    pid: 9,
    name: 'STATUS',
    value: 'a=ü',
  });
  const moved = { signal: 19, monotonicUs: 7 };
  expect(parseEvent('stopped 19 7000')).toEqual({ kind: 'stopped', ...moved });
  expect(parseEvent('continued 19 7000')).toEqual({ kind: 'continued', ...moved });
  expect(parseEvent('quiet 7000 12')).toEqual({ kind: 'quiet', sinceUs: 7, ticks: 12 });
  expect(parseEvent('marked')).toEqual({ kind: 'marked' });
  expect(parseEvent('log-failed 95')).toEqual({ kind: 'log-failed', errno: 95 });
  expect(parseEvent('gone')).toEqual({ kind: 'gone' });
  expect(parseEvent('error no-terminal')).toEqual({ kind: 'error', reason: 'no-terminal' });
});

test('a line of a newer shim, or half a line, is unknown and never half an event', () => {
  const lines = ['', 'ready 1', 'exited code', 'exited code 0', 'hello 1', 'gone 1', 'failed x'];
  for (const line of lines) expect(parseEvent(line)).toEqual({ kind: 'unknown', line });
  fc.assert(
    fc.property(fc.string(), (line) => {
      expect(parseEvent(line).kind).toBeTypeOf('string');
    }),
  );
});

test('any way of cutting the stream gives the same events', () => {
  const text = 'hello 1 2\nstarted 3 4 5000 6000\nexited signal 9 1 2 3 4000 5000\ngone\nhal';
  const whole = new EventLines().receive(text);
  expect(whole.map((event) => event.kind)).toEqual(['hello', 'started', 'exited', 'gone']);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const lines = new EventLines();
      const ends = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const events = ends.flatMap((end, index) => lines.receive(text.slice(ends[index - 1], end)));
      expect(events).toEqual(whole);
    }),
  );
});

test('commands are lines', () => {
  expect(encodeCommand({ kind: 'signal', signal: 15 })).toBe('signal 15\n');
  expect(encodeCommand({ kind: 'signal-group', signal: 9 })).toBe('signal-group 9\n');
  expect(encodeCommand({ kind: 'gate', atUs: 1_234.4 })).toBe('gate 1234\n');
  // 0 would be at once, which has a name of its own.
  expect(encodeCommand({ kind: 'gate', atUs: -5 })).toBe('gate 1\n');
  expect(encodeCommand({ kind: 'fire' })).toBe('gate 0\n');
  expect(encodeCommand({ kind: 'at', act: 'kill', atUs: 12.6 })).toBe('at kill 13\n');
  expect(encodeCommand({ kind: 'cancel' })).toBe('cancel\n');
  expect(encodeCommand({ kind: 'close-stdin' })).toBe('close-stdin\n');
  expect(encodeCommand({ kind: 'quit' })).toBe('quit\n');
  expect(encodeCommand({ kind: 'mark' })).toBe('mark\n');
  expect(encodeCommand({ kind: 'quiet', us: 1.6 })).toBe('quiet 2\n');
  expect(encodeCommand({ kind: 'quiet', us: -3 })).toBe('quiet 0\n');
});

test('a record is whole or it is none', () => {
  const exited = 'exited code 0 1 2 3 4000 5000\n';
  expect(parseExitRecord(`hello 1 9\nstarted 3 4 5000 6000\n${exited}`)).toMatchObject({
    shimPid: 9,
    started: { pid: 3 },
    end: { kind: 'exited', value: 0 },
  });
  expect(parseExitRecord('hello 1 9\nfailed exec 2\n')).toEqual({
    shimPid: 9,
    started: undefined,
    end: { kind: 'failed', step: 'exec', errno: 2 },
  });
  for (const torn of ['', 'hello 1 9\n', exited, `hello 1 9\n${exited.trimEnd()}`]) {
    expect(parseExitRecord(torn)).toBeUndefined();
  }
});

test('what was fired and has not ended is a record, but none of an end', () => {
  const fired = 'hello 2 9\narmed 3 4 4000\nstarted 3 4 5000000 6000000\n';
  expect(parseExitRecord(fired)).toBeUndefined();
  expect(parseShimRecord(fired)).toMatchObject({
    shimPid: 9,
    armed: { plannedUs: 4000 },
    started: { monotonicUs: 5000 },
    end: undefined,
  });
  expect(parseShimRecord('hello 2 9\narmed 3 4 4000\n')).toBeUndefined();
});
