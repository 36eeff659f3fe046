import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { encodeLaunch, type Launch } from './launch.ts';

const smallest: Launch = { socket: '/s', record: '/r', argv: ['true'], env: [], umask: 0o22 };

function fieldsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  expect(buffer.readUInt32LE()).toBe(buffer.length - 4);
  return buffer.toString('utf8', 4, buffer.length - 1).split('\0');
}

test('a launch is its fields in the order of launch.h', () => {
  const none = '4294967295';
  expect(fieldsOf(encodeLaunch(smallest)).join(' ')).toBe(
    `3 /s /r    0 0 ${none} ${none} 18 0 0 0 0 0 0 1 true 0`,
  );
  const whole: Launch = {
    ...smallest,
    cwd: '/c',
    stdin: '/in',
    stdout: '/out',
    stderr: '/err',
    oomScoreAdj: -7,
    gateAtUs: 1_234_567.8,
    leaseAtUs: 5_000,
    logMaxBytes: 65_536,
    notify: '/n',
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
    '3 /s /r /n /c -7 1 0 1001 1002 18 1234568 5000 65536 2 1002 4' +
      ' 2 7 1024 4096 4 0 18446744073709551615 1 /g/cgroup.procs 2 echo  2 A=ü B=',
  );
  const terminal = encodeLaunch({ ...whole, tty: { rows: 24, columns: 80 } });
  expect(fieldsOf(terminal).slice(5, 8)).toEqual(['-7', '0', '1']);
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
