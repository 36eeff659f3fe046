import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installShim, installTools } from '../../src/supervisor/install.io.ts';
import type { Launch } from '../../src/supervisor/launch.ts';
import { readExitRecord } from '../../src/supervisor/shim.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import {
  type Built,
  buildShim,
  children,
  eventually,
  isShim,
  kill,
  proc,
  Run,
  root,
} from './rig.ts';

const { ENOENT, EACCES, ENOEXEC, EEXIST, EADDRINUSE, EINVAL, ENOSPC } = constants.errno;
const { SIGKILL, SIGTERM, SIGSEGV } = constants.signals;
const NOBODY = { uid: 65534, gid: 65534, groups: [65534, 4] };

describe.each([{ build: 'shipped' }, { build: 'sanitized' }])('$build', ({ build }) => {
  let built: Built;
  let run: Run;
  let shim: string;

  beforeAll(() => {
    built = buildShim(build === 'sanitized');
    shim = built.path;
  });
  afterAll(() => removeTree(built.directory));
  beforeEach(() => {
    run = new Run();
  });
  afterEach(async () => {
    await run.end();
    const faults = built.faults();
    if (faults !== '') throw new Error(faults);
  });

  /** Runs a shell script to its end, everything of it gone. */
  async function sh(script: string, more: Partial<Launch> = {}) {
    run.start(shim, ['sh', '-c', script], more);
    await run.event('detached');
    return run.event('exited');
  }

  test.each([0, 1, 137, 255])('exit code %i is told, and left on disk', async (code) => {
    const exited = await sh(`exit ${code}`);
    expect(exited).toMatchObject({ how: 'code', value: code });
    const kinds = run.events.map((event) => event.kind);
    expect(kinds).toEqual(['hello', 'started', 'exited', 'recorded', 'gone', 'detached']);
    const started = await run.event('started');
    expect(exited.monotonicUs).toBeGreaterThanOrEqual(started.monotonicUs);
    expect(Math.abs(exited.realUs / 1000 - Date.now())).toBeLessThan(10_000);
    expect(await readExitRecord(run.path('exit'))).toEqual({
      shimPid: run.shimPid,
      started,
      end: exited,
    });
    expect(readdirSync(run.directory).toSorted()).toEqual(['exit', 'out']);
    expect(statSync(run.path('exit')).mode & 0o777).toBe(0o600);
    expect(statSync(run.path('out')).mode & 0o777).toBe(0o600);
  });

  test('a signal is not an exit code, and a core dump is said', async () => {
    expect(await sh('kill -9 $$')).toMatchObject({ how: 'signal', value: SIGKILL });
    await run.end();
    run = new Run();
    const core = { name: 'core', soft: 'unlimited', hard: 'unlimited' } as const;
    const exited = await sh('kill -SEGV $$', { rlimits: [core], cwd: run.directory });
    expect(exited).toMatchObject({ value: SIGSEGV });
    expect(['core', 'signal']).toContain(exited.how);
  });

  test('usage is that of the process', async () => {
    const script = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';
    const exited = await sh(script);
    expect(exited.userUs + exited.systemUs).toBeGreaterThan(10_000);
    expect(exited.maxRssKiB).toBeGreaterThan(100);
  });

  test('the process gets descriptors 0, 1, 2, a clean environment and clean signals', async () => {
    await sh('ls /proc/self/fd; echo; env; umask; pwd; cat /proc/self/status', {
      env: ['PATH=/usr/bin:/bin', 'A= b=c'],
      umask: 0o27,
    });
    const [descriptors = '', rest = ''] = run.text('out').split('\n\n');
    // 3 is the directory that ls itself reads.
    expect(descriptors.split('\n')).toEqual(['0', '1', '2', '3']);
    const lines = rest.split('\n');
    expect(lines.slice(0, 5).toSorted()).toEqual(
      ['/', '0027', 'A= b=c', 'PATH=/usr/bin:/bin', 'PWD=/'].toSorted(),
    );
    expect(rest).toMatch(/^NoNewPrivs:\t1$/m);
    expect(rest).toMatch(/^SigBlk:\t0+$/m);
    expect(rest).toMatch(/^SigIgn:\t0+$/m);
  });

  test('the process leads a session of its own; the shim is in none of the run', async () => {
    run.start(shim, ['sleep', '60']);
    const { pid, startTicks } = await run.event('started');
    const stat = proc(pid, 'stat').split(') ')[1]?.split(' ') ?? [];
    expect(stat.slice(1, 4)).toEqual([String(run.shimPid), String(pid), String(pid)]);
    expect(Number(stat[19])).toBe(startTicks);
    const own =
      proc(run.shimPid ?? 0, 'stat')
        .split(') ')[1]
        ?.split(' ') ?? [];
    expect(own[3]).toBe(String(run.shimPid));
    const descriptors = readdirSync(`/proc/${run.shimPid}/fd`).map(Number);
    expect(descriptors.length).toBeLessThanOrEqual(7);
  });

  test('uid, gid, groups, cwd and limits are those of the launch', async () => {
    mkdirSync(run.path('work'), { mode: 0o700 });
    chmodSync(run.directory, 0o711);
    chownSync(run.path('work'), NOBODY.uid, NOBODY.gid);
    const exited = await sh(
      'id -u; id -g; id -G; pwd; ulimit -n; ulimit -Hn; ulimit -c;' +
        'cat /proc/self/oom_score_adj; : > mine',
      {
        user: NOBODY,
        cwd: run.path('work'),
        rlimits: [
          { name: 'nofile', soft: 123, hard: 456 },
          { name: 'core', soft: 0, hard: 0 },
        ],
        oomScoreAdj: 7,
      },
    );
    expect(exited).toMatchObject({ how: 'code', value: 0 });
    const lines = ['65534', '65534', '65534 4', run.path('work'), '123', '456', '0', '7', ''];
    expect(run.text('out')).toBe(lines.join('\n'));
    expect(statSync(run.path('work/mine')).uid).toBe(NOBODY.uid);
  });

  test('stdout and stderr may be two files, and what is there stays', async () => {
    writeFileSync(run.path('out'), 'before\n');
    await sh('echo out; echo err >&2', { stderr: run.path('err') });
    expect(run.text('out')).toBe('before\nout\n');
    expect(run.text('err')).toBe('err\n');
  });

  describe('what cannot be started is failed, with its step and its reason', () => {
    const cases: [string, () => [Launch['argv'], Partial<Launch>?], string, number][] = [
      ['no such file', () => [['/no/such']], 'exec', ENOENT],
      ['not in PATH', () => [['no-such-program']], 'exec', ENOENT],
      ['not executable', () => [[file('plain', 'x', 0o644)]], 'exec', EACCES],
      ['a directory', () => [['/etc']], 'exec', EACCES],
      ['no program at all', () => [[file('rubbish', '\x01\x02\x03', 0o755)]], 'exec', ENOEXEC],
      ['bad interpreter', () => [[file('bad', '#!/no/such\n', 0o755)]], 'interpreter', ENOENT],
      ['bad cwd', () => [['true'], { cwd: '/no/such' }], 'cwd', ENOENT],
      ['closed cwd', () => [['true'], { cwd: closed(), user: NOBODY }], 'cwd', EACCES],
      ['bad log', () => [['true'], { stdout: '/no/such/out' }], 'stdout', ENOENT],
      ['stdin is no FIFO', () => [['true'], { stdin: file('in', '', 0o600) }], 'stdin', EINVAL],
      ['bad group', () => [['true'], { cgroups: ['/no/such'] }], 'cgroup', ENOENT],
      [
        'bad limit',
        () => [['true'], { rlimits: [{ name: 'nofile', soft: 9, hard: 8 }] }],
        'rlimit',
        EINVAL,
      ],
    ];

    test.each(cases)('%s', async (_name, launch, step, errno) => {
      // A libc other than the shipped one hands such a file to /bin/sh.
      if (build === 'sanitized' && errno === ENOEXEC) return;
      run.start(shim, ...launch());
      const failed = await run.event('failed');
      expect(failed).toMatchObject({ step, errno });
      await run.event('detached');
      // What the agent opens itself fails before there is a shim to leave one.
      const record = (await readExitRecord(run.path('exit')))?.end;
      expect(record).toEqual(step.startsWith('std') ? undefined : failed);
      expect(existsSync(run.path('socket'))).toBe(false);
    });

    test('a log that is a link', async () => {
      symlinkSync('/tmp/elsewhere', run.path('out'));
      run.start(shim, ['true']);
      expect(await run.event('failed')).toMatchObject({ step: 'stdout' });
      await run.event('detached');
    });

    function file(name: string, content: string, mode: number): string {
      writeFileSync(run.path(name), content, { mode });
      return run.path(name);
    }

    function closed(): string {
      mkdirSync(run.path('closed'), { mode: 0o700 });
      return run.path('closed');
    }
  });

  test('a shim that cannot be started is a failure too', async () => {
    run.start('/no/such/shim', ['true']);
    expect(await run.event('failed')).toEqual({ kind: 'failed', step: 'shim', errno: ENOENT });
    await run.event('detached');
  });

  test('a launch happens once: not beside a living shim, not after its record', async () => {
    run.start(shim, ['sleep', '60']);
    await run.event('started');
    const second = new Run();
    const same = { socket: run.path('socket'), record: run.path('exit') };
    second.start(shim, ['true'], same);
    expect(await second.event('failed')).toMatchObject({
      kind: 'failed',
      step: 'socket',
      errno: EADDRINUSE,
    });
    await second.event('detached');
    await second.end();
    expect(await readExitRecord(run.path('exit'))).toBeUndefined();
    run.handle?.send({ kind: 'signal', signal: SIGTERM });
    await run.event('detached');
    const third = new Run();
    third.start(shim, ['true'], same);
    expect(await third.event('failed')).toMatchObject({
      kind: 'failed',
      step: 'record',
      errno: EEXIST,
    });
    await third.event('detached');
    await third.end();
    expect((await readExitRecord(run.path('exit')))?.end).toMatchObject({ value: SIGTERM });
    expect(existsSync(run.path('socket'))).toBe(false);
  });

  test('an agent that dies before the whole launch leaves nothing', async () => {
    const child = spawn(shim, [], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], cwd: '/' });
    const channel = child.stdio[3] as Socket;
    channel.write(Buffer.from([200, 0, 0, 0, 49, 0]));
    channel.end();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  test('a launch that is none is refused', async () => {
    const child = spawn(shim, [], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], cwd: '/' });
    const channel = child.stdio[3] as Socket;
    let text = '';
    channel.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    channel.write(Buffer.from([4, 0, 0, 0, 0x31, 0, 0x78, 0]));
    await once(child, 'exit');
    expect(text).toContain(`failed launch ${EINVAL} `);
  });

  test('signals reach the main process, or its whole group', async () => {
    const script = 'trap "echo caught; exit 5" TERM; sleep 60 & echo $! > "$0"; wait';
    run.start(shim, ['sh', '-c', script, run.path('sleeper')]);
    await run.event('started');
    const sleeper = Number(
      await eventually(() => existsSync(run.path('sleeper')) && run.text('sleeper').trim(), 'pid'),
    );
    run.handle?.send({ kind: 'signal', signal: SIGTERM });
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 5 });
    await run.event('recorded');
    expect(children(run.shimPid ?? 0)).toEqual([sleeper]);
    // Its number could be another's by now.
    run.handle?.send({ kind: 'signal-group', signal: SIGKILL });
    expect(await run.event('error')).toEqual({ kind: 'error', reason: 'not-running' });
    kill(sleeper);
    await run.event('gone');
    await run.end();

    run = new Run();
    run.start(shim, ['sh', '-c', 'sleep 60 & sleep 60']);
    await run.event('started');
    await eventually(() => children(children(run.shimPid ?? 0)[0] ?? 0).length === 2, 'children');
    run.handle?.send({ kind: 'signal-group', signal: SIGKILL });
    await run.event('gone');
    expect(await run.event('exited')).toMatchObject({ how: 'signal', value: SIGKILL });
  });

  test('whatever leaves its parents and its session falls to the shim and is reaped', async () => {
    run.start(shim, ['sh', '-c', '(setsid sh -c "sleep 60 & sleep 0.05" &) ; exit 4']);
    expect(await run.event('exited')).toMatchObject({ value: 4 });
    await run.event('recorded');
    const left = () => children(run.shimPid ?? 0);
    const comms = () => left().map((pid) => `${proc(pid, 'comm').trim()} ${proc(pid, 'cmdline')}`);
    await eventually(() => comms().join() === 'sleep sleep\x0060\0', 'one orphan');
    const [only = 0] = left();
    expect(isShim(run.shimPid ?? 0)).toBe(true);
    kill(only);
    await run.event('gone');
    await run.event('detached');
  });

  test('a hundred orphans that end are no zombies', async () => {
    const script = 'i=0; while [ $i -lt 100 ]; do (sleep 1 &) ; i=$((i+1)); done; sleep 60';
    run.start(shim, ['sh', '-c', script]);
    const { pid } = await run.event('started');
    await eventually(() => children(run.shimPid ?? 0).length > 20, 'orphans');
    await eventually(() => children(run.shimPid ?? 0).length === 1, 'only one');
    expect(children(run.shimPid ?? 0)).toEqual([pid]);
  });

  test('commands that cannot be carried out are answered', async () => {
    run.start(shim, ['sleep', '60']);
    await run.event('started');
    const channel = connect(run.path('socket'));
    let text = '';
    channel.on('data', (bytes) => {
      text += bytes.toString();
    });
    channel.write('signal\nsignal 0\nsignal 65536\nsignal 1x\ngate 1\ngate x\narm 12\n\n');
    await eventually(() => text.split('error').length === 9, 'eight answers');
    expect(text.split('\n').slice(2).join()).toBe(
      'error unknown-command,error bad-signal,error bad-signal,error unknown-command,' +
        'error not-armed,error unknown-command,error unknown-command,error unknown-command,',
    );
    channel.write('x'.repeat(128));
    await once(channel, 'close');
    expect(text.endsWith('error line-too-long\n')).toBe(true);
    expect(await run.attach()).toBe(true);
  });

  test('the death of the agent is no event for the run; the next one hears the state', async () => {
    const launch = run.launch(['sh', '-c', 'ls /proc/self/fd; read line; exit 9'], {
      stdin: fifo('in'),
    });
    // What an agent inherited itself, Node's spawn hands on: seen, and not wanted.
    const leak = openSync('/etc/hostname', 'r');
    const agent = spawn(
      process.execPath,
      [join(import.meta.dirname, 'launcher.ts'), shim, JSON.stringify(launch)],
      { stdio: ['ignore', 'pipe', 'inherit', leak, leak, leak] },
    );
    closeSync(leak);
    let heard = '';
    agent.stdout?.on('data', (bytes: Buffer) => {
      heard += bytes.toString();
    });
    await eventually(() => heard.includes('started'), 'the start');
    agent.kill('SIGKILL');
    await once(agent, 'exit');
    expect(await run.attach()).toBe(true);
    const started = await run.event('started');
    expect(heard).toContain(JSON.stringify(started));
    expect(run.events.map((event) => event.kind)).toEqual(['hello', 'started']);
    expect(statSync(run.path('socket')).mode & 0o777).toBe(0o600);
    const own = `/proc/${run.shimPid}/fd`;
    const files = readdirSync(own).map((name) => readlinkSync(join(own, name)));
    expect(files).not.toContain('/etc/hostname');
    // The newest one is listened to.
    expect(await run.attach()).toBe(true);
    await run.event('detached');
    say('in', 'go\n');
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 9 });
    expect(run.text('out')).toBe('0\n1\n2\n3\n');
  });

  test('an end with nobody there is on disk; nobody listens any more', async () => {
    run.start(shim, ['sh', '-c', 'sleep 0.2; exit 6']);
    await run.event('started');
    run.handle?.close();
    await eventually(() => !isShim(run.shimPid ?? 0), 'the end of the shim');
    expect(await run.attach()).toBe(false);
    expect((await readExitRecord(run.path('exit')))?.end).toMatchObject({ value: 6 });
  });

  test('one who attaches after the end, while orphans live, hears it', async () => {
    run.start(shim, ['sh', '-c', '(sleep 60 &); exit 2']);
    await run.event('recorded');
    run.handle?.close();
    run.events.length = 0;
    expect(await run.attach()).toBe(true);
    await run.event('recorded');
    const kinds = run.events.map((event) => event.kind);
    expect(kinds).toEqual(['hello', 'started', 'exited', 'recorded']);
  });

  test('the shim killed: its socket answers nobody, and there is no record', async () => {
    run.start(shim, ['sleep', '60']);
    const { pid } = await run.event('started');
    kill(run.shimPid ?? 0);
    await run.event('detached');
    expect(await run.attach()).toBe(false);
    expect(await readExitRecord(run.path('exit'))).toBeUndefined();
    kill(pid);
  });

  test('signals to the shim do nothing', async () => {
    run.start(shim, ['sleep', '60']);
    await run.event('started');
    for (const signal of [
      'SIGHUP',
      'SIGINT',
      'SIGTERM',
      'SIGPIPE',
      'SIGUSR1',
      'SIGTSTP',
    ] as const) {
      kill(run.shimPid ?? 0, signal);
    }
    run.handle?.send({ kind: 'signal', signal: 0 });
    await run.event('error');
    expect(isShim(run.shimPid ?? 0)).toBe(true);
  });

  test('standard input is what the FIFO brings, until close-stdin', async () => {
    run.start(shim, ['cat'], { stdin: fifo('in') });
    await run.event('started');
    for (const line of ['one\n', 'two\n']) {
      say('in', line);
      await eventually(() => run.text('out').endsWith(line), line);
    }
    expect(isShim(run.shimPid ?? 0)).toBe(true);
    run.handle?.send({ kind: 'close-stdin' });
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 0 });
    expect(run.text('out')).toBe('one\ntwo\n');
  });

  test('a terminal: size, keys, its output whole before the end is told', async () => {
    const script =
      'tty; trap "stty size" WINCH; stty size; read a; read b; echo "got $a"; seq 3000';
    run.start(shim, ['sh', '-c', script], {
      stdin: fifo('in'),
      tty: { rows: 24, columns: 80 },
      user: NOBODY,
    });
    await eventually(
      () => existsSync(run.path('out')) && run.text('out').includes('24 80'),
      'size',
    );
    expect(run.text('out')).toMatch(/^\/dev\/pts\/\d+\r\n24 80\r\n/);
    say('in', 'hi\n');
    await eventually(() => run.text('out').includes('hi\r\n'), 'echo');
    run.handle?.resize(30, 100);
    say('in', '\n');
    const exited = await run.event('exited');
    expect(exited).toMatchObject({ how: 'code', value: 0 });
    expect(run.text('out')).toContain('30 100\r\n');
    // The echo of the last key lands wherever the program is by then.
    const lines = run.text('out').replaceAll(/(\r\n)+/g, '\r\n');
    expect(lines).toMatch(/got hi\r\n1\r\n2\r\n[^]*\r\n2999\r\n3000\r\n$/);
  });

  test('a terminal: the interrupt key, and the end of input as a key', async () => {
    run.start(shim, ['cat'], { stdin: fifo('in'), tty: { rows: 24, columns: 80 } });
    await run.event('started');
    run.handle?.send({ kind: 'close-stdin' });
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 0 });
    await run.end();
    run = new Run();
    run.start(shim, ['sleep', '60'], { stdin: fifo('in'), tty: { rows: 24, columns: 80 } });
    await run.event('started');
    say('in', '\x03');
    expect(await run.event('exited')).toMatchObject({ how: 'signal', value: 2 });
  });

  test('a full disk: the record is held and comes when there is space', async () => {
    const disk = run.path('disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    try {
      run.start(shim, ['sleep', '60'], { record: join(disk, 'exit') });
      await run.event('started');
      const full = spawn('sh', ['-c', `cat /dev/zero > ${join(disk, 'ballast')}`]);
      await once(full, 'exit');
      run.handle?.send({ kind: 'signal', signal: SIGTERM });
      expect(await run.event('exited')).toMatchObject({ value: SIGTERM });
      expect(await run.event('record-failed')).toEqual({ kind: 'record-failed', errno: ENOSPC });
      expect(isShim(run.shimPid ?? 0)).toBe(true);
      rmSync(join(disk, 'ballast'));
      await run.event('gone');
      expect((await readExitRecord(join(disk, 'exit')))?.end).toMatchObject({ value: SIGTERM });
      expect(readdirSync(disk)).toEqual(['exit']);
      await eventually(() => !isShim(run.shimPid ?? 0), 'the end of the shim');
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  test('a record that cannot be written is held until quit', async () => {
    run.start(shim, ['sleep', '60'], { record: '/sys/exit' });
    await run.event('started');
    run.handle?.send({ kind: 'signal', signal: SIGKILL });
    expect(await run.event('record-failed')).toEqual({ kind: 'record-failed', errno: EACCES });
    run.handle?.send({ kind: 'signal', signal: SIGKILL });
    await run.event('error');
    expect(isShim(run.shimPid ?? 0)).toBe(true);
    run.handle?.send({ kind: 'quit' });
    await run.event('detached');
    expect(run.events.map((event) => event.kind)).toContain('gone');
  });

  test('a record whose directory is removed is nobody’s any more', async () => {
    mkdirSync(run.path('private'));
    run.start(shim, ['sleep', '60'], { record: run.path('private/exit') });
    await run.event('started');
    rmSync(run.path('private'), { recursive: true });
    run.handle?.send({ kind: 'signal', signal: SIGKILL });
    expect(await run.event('record-failed')).toEqual({ kind: 'record-failed', errno: ENOENT });
    await run.event('gone');
  });

  test('the process is in its group before it runs, the shim is not', async ({ skip }) => {
    const base = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
      existsSync(join(path, 'cgroup.procs')),
    );
    skip(base === undefined, 'there is no control group (v2) to write to');
    const group = join(base ?? '', `lotc-shim-test-${process.pid}`);
    mkdirSync(group);
    try {
      run.start(shim, ['sh', '-c', 'cat /proc/self/cgroup; sleep 60 & wait'], {
        cgroups: [join(group, 'cgroup.procs')],
        user: NOBODY,
      });
      await run.event('started');
      await eventually(() => run.text('out').includes('lotc-shim-test'), 'the group');
      expect(readFileSync(join(group, 'cgroup.procs'), 'utf8')).not.toContain(String(run.shimPid));
      writeFileSync(join(group, 'cgroup.kill'), '1');
      await run.event('gone');
    } finally {
      execFileSync('rmdir', [group]);
    }
  });

  /** As the agent does it: open, write, close. */
  function say(name: string, text: string): void {
    const writer = openSync(run.path(name), 'w');
    writeSync(writer, text);
    closeSync(writer);
  }

  function fifo(name: string): string {
    execFileSync('mkfifo', ['-m', '600', run.path(name)]);
    return run.path(name);
  }
});

test('the shim is written out once, under its digest', async () => {
  const run = new Run();
  execFileSync(join(root, 'scripts/build-shim'));
  const path = await installShim(run.directory);
  const { ino, mode } = statSync(path);
  expect(mode & 0o777).toBe(0o755);
  expect(path).toMatch(/shim-[0-9a-f]{64}$/);
  expect(await installShim(run.directory)).toBe(path);
  expect(statSync(path).ino).toBe(ino);
  expect(readdirSync(run.directory)).toHaveLength(1);
  const tools = run.path('bin');
  for (let n = 0; n < 2; n += 1) {
    await installTools(path, tools);
    expect(readdirSync(tools)).toEqual(['lotc-notify']);
    expect(statSync(join(tools, 'lotc-notify')).ino).toBe(ino);
    expect(statSync(tools).mode & 0o777).toBe(0o755);
  }
  run.start(path, ['true']);
  expect(await run.event('exited')).toMatchObject({ value: 0 });
  await run.event('detached');
  await run.end();
});
