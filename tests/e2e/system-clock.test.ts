/**
 * Nothing ever sets the system clock, or asks the kernel to steer it: server, agent, its shims and
 * programs run under a filter that refuses, and reports, each call that would
 * (fixtures/clock-watch.c), with every reason to: clocks of their own that are an hour wrong.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Chronyd } from '../clock/chrony.ts';
import { removeTree } from '../fixtures/remove.ts';
import { Fleet, until } from './fleet.ts';

const home = mkdtempSync(join(tmpdir(), 'lotc-clock-watch-'));
afterAll(() => removeTree(home));
const watch = join(home, 'clock-watch');
const source = join(import.meta.dirname, '../fixtures/clock-watch.c');
execFileSync('gcc', ['-Wall', '-Wextra', '-Werror', '-O2', '-o', watch, source]);
const HOUR_US = 3_600_000_000;

const said = (report: string): string[] => readFileSync(report, 'utf8').trim().split('\n');

test('who would set the clock is seen, and refused', () => {
  const report = join(home, 'control');
  // Without the right to do it, so that nothing happens even if the filter lets it through.
  const unable = ['setpriv', '--bounding-set', '-sys_time', '--inh-caps', '-sys_time'];
  const lines = [
    'import ctypes, time',
    'timex = ctypes.create_string_buffer(400)',
    'ctypes.CDLL(None).adjtimex(timex)',
    "timex[0:4] = b'\\x01\\0\\0\\0'",
    'ctypes.CDLL(None).adjtimex(timex)',
    'time.clock_settime(time.CLOCK_REALTIME, time.time())',
  ];
  const { stderr } = spawnSync(watch, [report, ...unable, 'python3', '-c', lines.join('\n')]);
  expect(stderr.toString()).toContain('PermissionError');
  const calls = said(report).map((line) => line.replace(/clock_adjtime|adjtimex/, 'adjtimex'));
  expect(calls).toEqual(['read adjtimex', 'set adjtimex', 'set clock_settime']);
});

test('a fleet whose clocks are an hour wrong, with and without NTP, sets none', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  const { netns, ipv4 } = fleet.place('t1');
  stack.use(await Chronyd.serve(netns, fleet.directory, { name: 't1' }));
  const wrong = (report: string): string[] => {
    const faked = ['env', 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'faketime', '-f', '+1h'];
    return [watch, join(home, report), ...faked];
  };
  const ntp = ['--ntp', `${ipv4}`];
  await fleet.server('s', wrong('server'), ntp);
  await fleet.agent('n1', 'both', ntp, wrong('n1'));
  await fleet.agent('n2', 'both', [], wrong('n2'));
  await fleet.online('n1', 'n2');
  const rows = async (): Promise<{ offsetUs: number | null; errorUs: number | null }[]> =>
    fleet.json(['sync', '--on', 'n1,n2']);
  const know = ({ offsetUs, errorUs }: { offsetUs: number | null; errorUs: number | null }) =>
    Math.abs((offsetUs ?? 0) + HOUR_US) <= (errorUs ?? -1);
  await until(
    async () => (await rows()).every(know),
    60_000,
    () => 'the hour is known',
  );
  await fleet.must(['task', 'create', 'tick', '--', 'sleep', '1000']);
  await fleet.must(['start', 'tick', '--in', '2s']);
  await fleet.must(['wait', 'tick', '--for', 'running', '--timeout', '60s']);
  await fleet.must(['suspend', 'tick', '--in', '1s']);
  await fleet.must(['wait', 'tick', '--for', 'suspended', '--timeout', '60s']);
  await fleet.must(['kill', 'tick', '--wait']);
  for (const role of [...fleet.roles('agent'), ...fleet.roles('server')]) await role.stop();
  const seen = ['server', 'n1', 'n2'].map((name) => new Set(said(join(home, name))));
  // What the kernel knows of its clock is asked, so the filter was there.
  for (const calls of seen)
    expect([...calls].toSorted()).toEqual([expect.stringMatching(/^read /)]);
}, 240_000);
