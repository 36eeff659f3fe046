import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import {
  EventLines,
  encodeCommand,
  encodeLaunch,
  type Launch,
  parseEvent,
  parseExitRecord,
} from './shim.ts';

const smallest: Launch = { socket: '/s', record: '/r', argv: ['true'], env: [], umask: 0o22 };

function fieldsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  expect(buffer.readUInt32LE()).toBe(buffer.length - 4);
  return buffer.toString('utf8', 4, buffer.length - 1).split('\0');
}

test('a launch is its fields in the order of shim.c', () => {
  const none = '4294967295';
  expect(fieldsOf(encodeLaunch(smallest)).join(' ')).toBe(
    `1 /s /r      0 0 ${none} ${none} 18 0 0 0 1 true 0`,
  );
  const whole: Launch = {
    ...smallest,
    cwd: '/c',
    stdin: '/in',
    stdout: '/out',
    stderr: '/err',
    oomScoreAdj: -7,
    tty: { rows: 24, columns: 80 },
    user: { uid: 1001, gid: 1002, groups: [1002, 4] },
    rlimits: [
      { name: 'nofile', soft: 1024, hard: 4096 },
      { name: 'core', soft: 0, hard: 'unlimited' },
    ],
    cgroups: ['/g/cgroup.procs'],
    argv: ['echo', ''],
    env: ['A=ü', 'B='],
  };
  expect(fieldsOf(encodeLaunch(whole)).join(' ')).toBe(
    '1 /s /r /c /in /out /err -7 24 80 1001 1002 18 2 1002 4' +
      ' 2 7 1024 4096 4 0 18446744073709551615 1 /g/cgroup.procs 2 echo  2 A=ü B=',
  );
});

test('what execve would refuse is refused before anything is started', () => {
  const longest = 'x'.repeat(limits.argumentBytes - 1);
  expect(() => encodeLaunch({ ...smallest, argv: ['a', longest] })).not.toThrow();
  const refusals = [
    [{ argv: ['a', `${longest}x`] }, 'too-large'],
    [{ argv: ['a\0b'] }, 'usage'],
    [{ env: Array.from({ length: 40 }, () => longest) }, 'too-large'],
  ] as const;
  for (const [change, code] of refusals) {
    const act = () => encodeLaunch({ ...smallest, ...(change as Partial<Launch>) });
    expect(act).toThrow(LotcError);
    expect(act).toThrow(expect.objectContaining({ code }));
  }
});

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
  expect(parseEvent('orphans 3')).toEqual({ kind: 'orphans', count: 3 });
  expect(parseEvent('orphans -1')).toEqual({ kind: 'orphans', count: undefined });
  expect(parseEvent('recorded')).toEqual({ kind: 'recorded' });
  expect(parseEvent('record-failed 28')).toEqual({ kind: 'record-failed', errno: 28 });
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
  expect(encodeCommand({ kind: 'winsize', rows: 24, columns: 80 })).toBe('winsize 24 80\n');
  expect(encodeCommand({ kind: 'close-stdin' })).toBe('close-stdin\n');
  expect(encodeCommand({ kind: 'quit' })).toBe('quit\n');
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
