/** What the shim does for a living run, its agent there or not: signs, timed acts, lease, logs. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Launch } from '../../src/supervisor/launch.ts';
import { readShimRecord } from '../../src/supervisor/shim.io.ts';
import type { Sign } from '../../src/supervisor/shim.ts';
import { removeTree } from '../fixtures/remove.ts';
import { type Built, below, buildShim, eventually, isShim, proc, Run } from './rig.ts';

const { SIGKILL } = constants.signals;
const NOBODY = { uid: 65534, gid: 65534, groups: [] };
const MS = 1_000;
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);
/** CLOCK_BOOTTIME; proc(5). */
const bootUs = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000_000;
const hierarchy = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
  existsSync(join(path, 'cgroup.procs')),
);

describe.each([{ build: 'shipped' }, { build: 'sanitized' }])('care, $build', ({ build }) => {
  let built: Built;
  let run: Run;
  let tools: string;

  beforeAll(() => {
    built = buildShim(build === 'sanitized');
    tools = join(built.directory, 'bin');
    mkdirSync(tools);
    linkSync(built.path, join(tools, 'lotc-notify'));
    if (build === 'sanitized') {
      const own = `exec -a lotc-notify ${built.path}-sanitized "$@"\n`;
      const options = `log_path=${built.directory}/fault:detect_leaks=0`;
      const script = `#!/bin/bash\nexport ASAN_OPTIONS=${options}\n${own}`;
      rmSync(join(tools, 'lotc-notify'));
      writeFileSync(join(tools, 'lotc-notify'), script, { mode: 0o755 });
    }
    chmodSync(built.directory, 0o777);
  });
  afterAll(() => removeTree(built.directory));
  beforeEach(() => {
    run = new Run();
    chmodSync(run.directory, 0o711);
  });
  afterEach(async () => {
    await run.end();
    const faults = built.faults();
    if (faults !== '') throw new Error(faults);
  });

  function start(script: string, more: Partial<Launch> = {}): void {
    mkdirSync(run.path('own'), { mode: 0o700 });
    const owner = more.user ?? { uid: 0, gid: 0 };
    chownSync(run.path('own'), owner.uid, owner.gid);
    run.start(built.path, ['sh', '-c', script], {
      notify: run.path('own/notify'),
      env: [`PATH=/usr/bin:/bin:${tools}`, `NOTIFY_SOCKET=${run.path('own/notify')}`],
      ...more,
    });
  }
  const signs = (): Sign[] => run.events.filter((event) => event.kind === 'sign');
  const texts = (): string[] => signs().map(({ name, value }) => `${name}=${value}`);

  test.each([undefined, NOBODY])('signs of life are told, whoever the user is', async (user) => {
    const before = nowUs();
    start('lotc-notify READY=1 "STATUS=it is  ü" && lotc-notify WATCHDOG=1 MAINPID=$$', { user });
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 0 });
    const { pid } = await run.event('started');
    expect(texts()).toEqual(['READY=1', 'STATUS=it is  ü', 'WATCHDOG=1', `MAINPID=${pid}`]);
    for (const { monotonicUs } of signs()) {
      expect(monotonicUs).toBeGreaterThanOrEqual(before);
      expect(monotonicUs).toBeLessThanOrEqual(nowUs());
    }
    await run.event('gone');
    await run.event('detached');
    expect(existsSync(run.path('own/notify'))).toBe(false);
  });

  test('given while nobody listens they are neither refused nor lost', async () => {
    fifo('fifo');
    start('read go < fifo; lotc-notify READY=1; lotc-notify STATUS=a; lotc-notify STATUS=b; cat', {
      cwd: run.directory,
      stdin: fifo('in'),
    });
    await run.event('started');
    run.handle?.close();
    run.events.length = 0;
    writeFileSync(run.path('fifo'), 'go\n');
    await eventually(
      () => below(run.shimPid ?? 0).some((pid) => proc(pid, 'comm') === 'cat\n'),
      'cat',
    );
    expect(await run.attach()).toBe(true);
    await eventually(() => signs().length === 2, 'both');
    expect(texts()).toEqual(['READY=1', 'STATUS=b']);
  });

  test('who does not belong to the run is not heard; an orphan of it is', async () => {
    start('(setsid sh -c "sleep 0.1; lotc-notify STATUS=orphan; sleep 60" &); sleep 60');
    await run.event('started');
    const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: run.path('own/notify') };
    execFileSync(join(tools, 'lotc-notify'), ['STATUS=stranger'], { env });
    await eventually(() => signs().length > 0, 'the orphan');
    expect(texts()).toEqual(['STATUS=orphan']);
  });

  test('what is no sign, too long, or full of control characters does no harm', async () => {
    const long = 'x'.repeat(3_000);
    start(`lotc-notify FDSTORE=1 rubbish "" STATUS; lotc-notify "STATUS=$(printf 'a\\033[31m\\tb')"
      lotc-notify WATCHDOG=trigger; lotc-notify STATUS=${long}; echo $?; lotc-notify`);
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 2 });
    expect(texts().slice(0, 2)).toEqual(['STATUS=a?[31m?b', 'WATCHDOG=trigger']);
    expect(signs()[2]?.value).toMatch(/^x{380,400}$/);
    expect(run.text('out')).toBe('0\n');
  });

  test('a flood is held back, costs little, and its last word arrives', async () => {
    const flood = `import socket, os, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for n in range(2500): s.sendto(b"STATUS=%d" % n, os.environ["NOTIFY_SOCKET"])
time.sleep(2)
`;
    writeFileSync(run.path('flood.py'), flood);
    start(`python3 ${run.path('flood.py')}; lotc-notify READY=1; sleep 60`);
    await eventually(() => texts().includes('READY=1'), 'the last');
    expect(texts()).toContain('STATUS=2499');
    expect(Number(proc(run.shimPid ?? 0, 'stat').split(' ')[14])).toBeLessThan(100);
    run.handle?.send({ kind: 'signal-group', signal: SIGKILL });
    expect(await run.event('exited')).toMatchObject({ value: SIGKILL });
  });

  test('descriptors that come along are closed, which answers a barrier', async () => {
    const script = `import array, os, select, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
def give(text, count):
  r, w = os.pipe()
  s.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w] * count))])
  os.close(w)
  return bool(select.select([r], [], [], 5)[0]) and os.read(r, 1) == b""
print(give(b"BARRIER=1", 1), give(b"FDSTORE=1\\nFDNAME=x", 16), give(b"FDSTORE=1", 200))
`;
    writeFileSync(run.path('barrier.py'), script);
    start(`python3 ${run.path('barrier.py')}`);
    await run.event('exited');
    expect(run.text('out')).toBe('True True True\n');
    expect(texts()).toEqual([]);
  });

  test('notify sockets that cannot be had fail the launch by name', async () => {
    run.start(built.path, ['true'], { notify: '/no/such/notify' });
    expect(await run.event('failed')).toMatchObject({ step: 'notify' });
    await run.event('detached');
  });

  test('a lease ends the whole tree, agent or not, and says so', async () => {
    start('setsid sleep 60 & (setsid sh -c "sleep 60; true" &); sh -c "sleep 60; true"; true', {
      leaseAtUs: bootUs() + 700 * MS,
    });
    await run.event('started');
    const pids = await eventually(() => {
      const found = below(run.shimPid ?? 0);
      return found.length >= 6 ? found : undefined;
    }, 'the tree');
    run.handle?.close();
    await eventually(() => !isShim(run.shimPid ?? 0), 'the end');
    for (const pid of pids) expect(proc(pid, 'status')).not.toMatch(/^State:\t[^ZX]/m);
    const record = readFileSync(run.path('exit'), 'utf8');
    expect(record).toMatch(/^acted lease \d+ \d+ 0\n/m);
    expect((await readShimRecord(run.path('exit')))?.end).toMatchObject({ value: SIGKILL });
  });

  test('a lease that is renewed, or taken back, ends nothing', async () => {
    start('sleep 60', { leaseAtUs: bootUs() + 300 * MS });
    await run.event('started');
    run.handle?.send({ kind: 'at', act: 'lease', atUs: bootUs() + 3_600_000 * MS });
    await sleep(500);
    run.handle?.send({ kind: 'at', act: 'lease', atUs: 0 });
    await sleep(50);
    expect(run.events.map(({ kind }) => kind)).toEqual(['hello', 'started']);
  });

  test('without a group nothing else is planned', async () => {
    start('sleep 60');
    await run.event('started');
    run.handle?.send({ kind: 'at', act: 'freeze', atUs: nowUs() + 10 });
    expect(await run.event('error')).toEqual({ kind: 'error', reason: 'no-group' });
  });

  // Needs a control group (v2, writable) to write to; without one the shim has no timed deeds.
  test('freeze, thaw and kill at their instants', async ({ skip }) => {
    skip(hierarchy === undefined, 'there is no control group (v2) to write to');
    const group = join(hierarchy ?? '', `lotc-care-${process.pid}`);
    mkdirSync(group);
    try {
      start('sleep 60 & sleep 60', { cgroups: [join(group, 'cgroup.procs')] });
      await run.event('started');
      const frozen = (): boolean =>
        /^frozen 1$/m.test(readFileSync(join(group, 'cgroup.events'), 'utf8'));
      const planned = nowUs() + 100 * MS;
      for (const [n, act] of (['freeze', 'thaw', 'kill'] as const).entries()) {
        run.handle?.send({ kind: 'at', act, atUs: planned + n * 300 * MS });
      }
      await eventually(frozen, 'frozen');
      expect(nowUs()).toBeGreaterThanOrEqual(planned);
      await eventually(() => !frozen(), 'thawed');
      expect(await run.event('exited')).toMatchObject({ value: SIGKILL });
      await run.event('gone');
      const acted = run.events.filter((event) => event.kind === 'acted');
      expect(acted.map(({ name, errno }) => `${name} ${errno}`)).toEqual([
        'freeze 0',
        'thaw 0',
        'kill 0',
      ]);
      for (const { plannedUs, monotonicUs } of acted) {
        expect(monotonicUs).toBeGreaterThanOrEqual(plannedUs);
        expect(monotonicUs).toBeLessThan(plannedUs + 300 * MS);
      }
    } finally {
      await run.end();
      execFileSync('rmdir', [group]);
    }
  });

  test('logs stay within their bound, the newest whole, with nobody there', async () => {
    const logMaxBytes = 256 * 1024;
    start(
      'i=0; while [ $i -lt 40 ]; do head -c 65536 /dev/zero | tr "\\0" x; i=$((i+1)); sleep 0.02; done; echo end; sleep 60',
      {
        logMaxBytes,
        stderr: run.path('err'),
      },
    );
    await run.event('started');
    run.handle?.close();
    await eventually(() => run.text('out').endsWith('end\n'), 'the end');
    await eventually(() => statSync(run.path('out')).blocks * 512 <= logMaxBytes, 'the bound');
    const { size } = statSync(run.path('out'));
    expect(size).toBe(40 * 65_536 + 4);
    const text = run.text('out');
    expect(text.slice(size - logMaxBytes / 2, size - 4)).toMatch(/^x+$/);
    expect(text.slice(0, 4096)).toMatch(/^\0+$/);
  });

  test('a file system without holes: said once, and the run goes on', async () => {
    const disk = join(built.directory, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'ramfs', 'ramfs', disk]);
    try {
      start('head -c 100000 /dev/zero; sleep 0.3; head -c 100000 /dev/zero; sleep 60', {
        logMaxBytes: 65_536,
        stdout: join(disk, 'out'),
        stderr: join(disk, 'out'),
      });
      // ramfs counts no blocks: there is nothing that could be freed, and nothing breaks.
      await eventually(
        () => existsSync(join(disk, 'out')) && statSync(join(disk, 'out')).size === 200_000,
        'all',
      );
      expect(isShim(run.shimPid ?? 0)).toBe(true);
    } finally {
      await run.end();
      execFileSync('umount', [disk]);
    }
  });

  function fifo(name: string): string {
    execFileSync('mkfifo', ['-m', '600', run.path(name)]);
    return run.path(name);
  }
});
