/**
 * Each system call of the shim fails once. Whatever that leads to: the truth is told or nothing,
 * no process is left, no sanitizer finds anything.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readExitRecord } from '../../src/supervisor/shim.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { below, eventually, isShim, kill, Run, root } from './rig.ts';

const calls = [
  ...['socket', 'bind', 'listen', 'setsockopt', 'accept4', 'recv', 'send', 'recvmsg', 'poll'],
  ...['open', 'openat', 'read', 'write', 'close', 'dup2', 'fcntl', 'pipe2', 'fstat', 'faccessat'],
  ...[
    'fsync',
    'renameat',
    'unlink',
    'fallocate',
    'mmap',
    'chdir',
    'ioctl',
    'fork',
    'wait4',
    'kill',
  ],
  ...['setsid', 'prctl', 'sigprocmask', 'signalfd', 'setrlimit', 'setgroups', 'setresgid'],
  ...['setresuid', 'timerfd_create', 'timerfd_settime', 'syscall'],
];
const { EIO, EINTR } = constants.errno;
/** The first are rt_sigaction, one for each signal: they cannot fail. */
const SIGACTIONS = 64;
const CODE = 7;
const AT_ONCE = 4;
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-fault-'));
  const source = readFileSync(join(root, 'tests/shim/fault.c'), 'utf8');
  const file = join(directory, 'fault.c');
  writeFileSync(file, source.replace(/^CALLS$/m, calls.map((name) => `PASS(${name})`).join('\n')));
  const wraps = calls.map((name) => `-Wl,--wrap=${name}`).join(' ');
  const flags = `-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all ${wraps} ${file}`;
  execFileSync(join(root, 'scripts/build-shim'), [join(directory, 'sanitized')], {
    env: { ...process.env, CFLAGS: flags },
  });
});
afterAll(() => removeTree(directory));

/** A shim that is told what fails. */
function shimWith(name: string, variable: string): string {
  const path = join(directory, name);
  const options = `log_path=${directory}/found-${name}:detect_leaks=0`;
  const exports = `export ASAN_OPTIONS=${options} UBSAN_OPTIONS=${options} ${variable}`;
  writeFileSync(path, `#!/bin/sh\n${exports}\nexec ${directory}/sanitized\n`, { mode: 0o755 });
  return path;
}

async function act(shim: string): Promise<Run> {
  const run = new Run();
  chmodSync(run.directory, 0o711);
  mkdirSync(run.path('own'), { mode: 0o700 });
  chownSync(run.path('own'), 65534, 65534);
  run.start(shim, ['sh', '-c', `echo ran > ran; echo out; exit ${CODE}`], {
    ...{ stdin: fifo(run), notify: run.path('own/notify'), cwd: run.path('own') },
    ...{ logMaxBytes: 1 << 20, gateAtUs: Number(process.hrtime.bigint() / 1000n) + 60_000 },
    ...{ leaseAtUs: 1e15, user: { uid: 65534, gid: 65534, groups: [65534] }, oomScoreAdj: 1 },
    rlimits: [{ name: 'core', soft: 0, hard: 0 }],
  });
  await Promise.race([run.event('detached'), run.event('gone')]);
  const { shimPid = 0 } = run;
  if (shimPid !== 0) await eventually(() => !isShim(shimPid), 'the end of the shim');
  return run;
}

function fifo(run: Run): string {
  execFileSync('mkfifo', ['-m', '600', run.path('in')]);
  return run.path('in');
}

/** What must hold whatever has failed. */
async function judge(run: Run, fault: string): Promise<void> {
  const kinds = run.events.map(({ kind }) => kind);
  const ran = exists(run.path('own/ran'));
  const record = await readExitRecord(run.path('exit'));
  for (const event of [...run.events, ...(record ? [record.end] : [])]) {
    if (event.kind === 'exited')
      expect([fault, event.how, event.value]).toEqual([fault, 'code', CODE]);
    if (event.kind === 'failed') expect([fault, ran]).toEqual([fault, false]);
  }
  if (kinds.includes('gone')) {
    const ended = kinds.includes('exited') || kinds.includes('failed');
    expect([fault, ended]).toEqual([fault, true]);
  }
  if (kinds.includes('exited')) expect([fault, kinds.includes('started')]).toEqual([fault, true]);
  expect([fault, run.shimPid === undefined ? [] : below(run.shimPid)]).toEqual([fault, []]);
}

function exists(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

test('each call fails once', { timeout: 240_000 }, async () => {
  const list = join(directory, 'calls');
  writeFileSync(list, '', { mode: 0o666 });
  chmodSync(list, 0o666);
  const whole = await act(shimWith('all', `LOTC_CALLS=${list}`));
  expect(whole.events.map(({ kind }) => kind)).toContain('exited');
  await whole.end();
  const made = Map.groupBy(readFileSync(list, 'utf8').trim().split('\n'), (name) => name);
  const faults = [...made].flatMap(([name, all]) =>
    all.flatMap((_, n) => {
      const which = n + 1;
      if (name === 'syscall' && which <= SIGACTIONS) return [];
      return which > 12 && name !== 'syscall'
        ? []
        : [`${name}:${which}:${name === 'poll' ? EINTR : EIO}`];
    }),
  );
  expect(faults.length).toBeGreaterThan(60);
  const one = async (fault: string): Promise<void> => {
    const name = fault.replaceAll(':', '-');
    const run = await act(shimWith(name, `LOTC_FAULT=${fault}`)).catch((error: unknown) => {
      throw new Error(`${fault}: ${String(error)}`);
    });
    try {
      await judge(run, fault);
    } finally {
      for (const pid of run.shimPid === undefined ? [] : below(run.shimPid)) kill(pid);
      await run.end();
    }
  };
  const wrong: string[] = [];
  for (let at = 0; at < faults.length; at += AT_ONCE) {
    const ends = await Promise.allSettled(faults.slice(at, at + AT_ONCE).map(one));
    for (const end of ends) if (end.status === 'rejected') wrong.push(String(end.reason));
  }
  expect(wrong).toEqual([]);
  const found = execFileSync('sh', ['-c', `cat ${directory}/found-* 2>/dev/null || :`]).toString();
  expect(found).toBe('');
});
