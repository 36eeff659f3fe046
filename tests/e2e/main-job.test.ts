import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Family, Fleet, processesBelow, until } from './fleet.ts';

interface ProcessRow {
  readonly run: string;
  readonly task: string | null;
  readonly node: string;
  readonly state: string;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

const crawler = join(import.meta.dirname, 'fixtures/crawler');

describe.each<Family>(['ipv6', 'ipv4'])('the main job over %s', (family) => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = new Fleet();
    fleet.place('srv', 'both');
    await fleet.server();
    await fleet.agent('n1', family, ['--label', 'zone=a']);
    await fleet.online('n1');
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const ps = (): Promise<ProcessRow[]> => fleet.json<ProcessRow[]>(['ps', '--all']);

  test('load, create, start, freeze, thaw, read, kill, remove', async () => {
    await fleet.must(['load', crawler, '--name', 'crawler', '--wait']);
    await fleet.must([
      'task',
      'create',
      'crawl',
      '--bundle',
      'crawler',
      '--',
      './crawl',
      '--depth',
      '3',
    ]);
    await fleet.must(['start', 'crawl', '--wait']);
    await fleet.must(['wait', 'crawl', '--for', 'running', '--timeout', '10s']);
    const [row] = await ps();
    expect(row).toMatchObject({ task: 'crawl', node: 'n1', state: 'running', exitCode: null });

    await fleet.must(['suspend', 'crawl', '--wait']);
    expect((await ps())[0]?.state).toBe('suspended');
    const before = readFileSync(`/proc/${row?.pid}/stat`, 'utf8').split(' ').slice(13, 15);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(readFileSync(`/proc/${row?.pid}/stat`, 'utf8').split(' ').slice(13, 15)).toEqual(before);
    expect(await fleet.admin(['start', 'crawl'])).toMatchObject({ code: 8 });
    await fleet.must(['resume', 'crawl', '--wait']);
    const again = await fleet.admin(['resume', 'crawl']);
    expect(again.code).toBe(8);
    expect(again.stderr).toContain('not suspended');

    const logs = await fleet.must(['logs', 'crawl', '--tail', '10000']);
    expect(logs).toContain('on n1, depth 3');
    expect(logs).toContain('a warning');
    expect(logs).toContain('seed list');
    expect(logs).toContain('page 1\n');

    await until(
      async () => (await fleet.json<{ run: string | null }[]>(['stats'])).some((s) => s.run),
      15_000,
    );
    const stats = await fleet.json<Record<string, unknown>[]>(['stats', 'crawl']);
    expect(stats[0]).toMatchObject({ node: 'n1', task: 'crawl', run: row?.run });

    await fleet.must(['kill', 'crawl', '--wait']);
    expect((await ps())[0]).toMatchObject({ state: 'exited', signal: 'SIGKILL', exitCode: null });
    expect(existsSync(`/proc/${row?.pid}`)).toBe(false);
    const waited = await fleet.admin(['wait', 'crawl']);
    expect(waited.code).toBe(137);

    await fleet.must(['task', 'rm', 'crawl']);
    await fleet.must(['unload', 'crawler', '--wait']);
    expect(await fleet.json(['bundle', 'ls'])).toEqual([]);
  });

  test('exit codes come back as they were', async () => {
    for (const code of [0, 1, 42, 255]) {
      const { code: got } = await fleet.admin([
        'run',
        '--on',
        'n1',
        '--',
        'sh',
        '-c',
        `echo out; echo err >&2; exit ${code}`,
      ]);
      expect(got).toBe(code);
    }
    expect((await fleet.admin(['run', '--on', 'n1', '--', 'sh', '-c', 'kill -9 $$'])).code).toBe(
      137,
    );
    expect((await fleet.admin(['run', '--on', 'n1', '--', '/no/such/program'])).code).toBe(127);
    expect((await fleet.admin(['run', '--on', 'n1', '--', '/etc/passwd'])).code).toBe(126);
  });

  test('run passes standard input on, and output back', async () => {
    const { code, stdout, stderr } = await fleet.admin(
      ['run', '--on', 'n1', '--stdin', '--', 'sh', '-c', 'cat; echo e >&2'],
      {
        stdin: 'one\ntwo\n',
      },
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'one\ntwo\n', stderr: 'e\n' });
  });
});

describe('three nodes of three kinds', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = new Fleet();
    await fleet.server();
    await fleet.agent('n4', 'ipv4', ['--label', 'zone=a']);
    await fleet.agent('n6', 'ipv6', ['--label', 'zone=a']);
    await fleet.agent('n46', 'both', ['--label', 'zone=b']);
    await fleet.online('n4', 'n6', 'n46');
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  test('run on all of them, on a label, on a glob', async () => {
    const all = await fleet.admin(['run', '--on', '@all', '--', 'sh', '-c', 'echo $LOTC_NODE']);
    expect(all.code).toBe(0);
    expect(all.stdout.split('\n').filter(Boolean).sort()).toEqual(['n46| n46', 'n4| n4', 'n6| n6']);
    const zone = await fleet.admin(['run', '--on', 'zone=a', '--', 'false']);
    expect(zone.code).toBe(7);
    expect((await fleet.admin(['run', '--on', 'n4*', '--', 'true'])).code).toBe(0);
    expect((await fleet.admin(['run', '--on', 'zone=c', '--', 'true'])).code).toBe(4);
  });

  test('names pipe into verbs', async () => {
    await fleet.must(['task', 'create', 'nap', '--', 'sleep', '1000']);
    await fleet.must(['start', 'nap', '--wait']);
    const names = await fleet.must(['ps', '-o', 'name', '--state', 'running', '--on', 'zone=a']);
    expect(names).toBe('nap@n4\nnap@n6\n');
    await fleet.must(['suspend', '-', '--wait'], { stdin: names });
    const rows = await fleet.json<ProcessRow[]>(['ps']);
    expect(rows.map((row) => [row.node, row.state])).toEqual([
      ['n4', 'suspended'],
      ['n46', 'running'],
      ['n6', 'suspended'],
    ]);
    const mixed = await fleet.admin(['resume', 'nap', '--wait']);
    expect(mixed.code).toBe(7);
    expect(mixed.stderr).toContain('n46');
    await fleet.must(['stop', 'nap', '--wait']);
    expect((await fleet.admin(['wait', 'nap', '--for', 'gone'])).code).toBe(0);
    await fleet.must(['task', 'rm', 'nap']);
  });

  test('one batch of lines over one connection', async () => {
    const lines = [
      'task create b1 -- sleep 100',
      'task create b2 -- sleep 100',
      'start b1 b2 --wait',
      'task rm b1 b2 --force --wait',
    ];
    const { code, stderr } = await fleet.admin(['batch'], { stdin: `${lines.join('\n')}\n` });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const stopped = await fleet.admin(['batch'], { stdin: 'start nope\ntask create b3 -- true\n' });
    expect(stopped.code).toBe(4);
    expect((await fleet.admin(['task', 'show', 'b3'])).code).toBe(4);
  });

  test('a tree goes whole: grandchildren in sessions of their own, and a program that ignores TERM', async () => {
    const marker = `lotc-e2e-tree-${process.pid}`;
    const file = fleet.path('tree.sh');
    writeFileSync(
      file,
      [
        '#!/bin/sh',
        "trap '' TERM",
        `setsid sh -c "trap '' TERM; while :; do sleep 1; done # ${marker}" &`,
        '(setsid sleep 1000 &)',
        'wait',
        'sleep 1000',
        '',
      ].join('\n'),
      { mode: 0o755 },
    );
    await fleet.must(['load', file, '--name', 'tree', '--on', 'n46', '--wait']);
    await fleet.must([
      'task',
      'create',
      'tree',
      '--bundle',
      'tree',
      '--stop-grace',
      '300ms',
      '--',
      './tree.sh',
    ]);
    await fleet.must(['start', 'tree', '--wait']);
    await until(() => processesBelow(marker).length > 0);
    await fleet.must(['stop', 'tree', '--wait']);
    expect(processesBelow(marker)).toEqual([]);
    const [row] = await fleet.json<ProcessRow[]>(['ps', 'tree', '--all']);
    expect(row).toMatchObject({ state: 'exited', signal: 'SIGKILL' });
  });
});
