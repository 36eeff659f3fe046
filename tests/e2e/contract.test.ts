/** The script at the end of the contract with users, as a whole, by bash; with why and a report. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { executable, Fleet, finish } from './fleet.ts';

const script = `set -eu
lotc server --data s --listen '[::1]:0' --ready-file s.ready >server.log 2>&1 &
until [ -s s.ready ]; do sleep 0.1; done
export LOTC_IDENTITY=s/admin.json
TOKEN=$(lotc admin token create --role agent --ttl 10m -o name)
lotc agent --data a1 --name n1 --label zone=a --token "$TOKEN" --server "$(jq -r .listen[0] s.ready)" >agent.log 2>&1 &
until [ "$(lotc admin node show n1 --json | jq -r .state)" = online ]; do sleep 0.1; done
lotc admin load ./crawler --name crawler --wait
lotc admin task create crawl --bundle crawler --restart on-failure --watchdog 5s --results 'out/*' -- ./crawl --depth 3
lotc admin start crawl --in 2s --max-clock-error 50ms
lotc admin wait crawl --for running --timeout 20s
lotc admin suspend crawl --wait && lotc admin resume crawl --wait
lotc admin wait crawl --for exited && lotc admin results crawl -C ./out
lotc admin fires --task crawl --json | jq '.[].lateUs'
lotc admin why crawl >why.txt
lotc admin report --every 100ms --count 2 --out report.json --json
lotc admin task rm crawl && lotc admin unload crawler
`;

const crawl = `#!/bin/sh
lotc-notify READY=1
mkdir out; echo "$*" >out/args
for n in 1 2 3 4 5 6 7 8; do lotc-notify WATCHDOG=1; sleep 0.5; done
`;

test('the whole script', async () => {
  await using fleet = new Fleet();
  const place = fleet.place('one');
  const directory = fleet.directory;
  mkdirSync(join(directory, 'bin'));
  mkdirSync(join(directory, 'crawler'));
  symlinkSync(resolve(executable), join(directory, 'bin/lotc'));
  writeFileSync(join(directory, 'crawler/crawl'), crawl, { mode: 0o755 });
  const child = spawn('ip', ['netns', 'exec', place.netns, 'bash', '-c', script], {
    cwd: directory,
    env: { PATH: `${directory}/bin:${process.env['PATH']}`, HOME: directory },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // Server and agent outlive it; they end with the fleet.
  const { code, stderr, stdout } = await finish(child, '', 90_000);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const run = readdirSync(join(directory, 'out/n1'))[0] ?? '';
  expect(readFileSync(join(directory, 'out/n1', run, 'out/args'), 'utf8')).toBe('--depth 3\n');
  expect(stdout).toContain(`./out/n1/${run}\n`);
  const why = readFileSync(join(directory, 'why.txt'), 'utf8');
  expect(why).toContain(`crawl@n1\n  run ${run} ended with code 0`);
  const report = JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as unknown;
  expect(report).toMatchObject({
    ...{ nodes: { total: 1, states: { online: 1 } }, processes: { exited: 1 } },
    ...{ firings: { ok: 1, lost: 0 }, failures: [] },
  });
  execFileSync('bash', ['-c', `test ! -e ${join(directory, 'report.json')}.*.tmp`]);
}, 120_000);
