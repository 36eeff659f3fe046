/** Manifests, as a user has them: export, diff, apply, schema, with the compiled executable. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlainServer } from '../clock/plain-server.ts';
import { Fleet, until } from './fleet.ts';

const stack = new AsyncDisposableStack();
let fleet: Fleet;

beforeAll(async () => {
  fleet = stack.use(new Fleet());
  const { netns, ipv4 } = fleet.place('t1');
  stack.use(await PlainServer.serve(netns));
  const ntp = ['--ntp', `${ipv4}`];
  await fleet.server('s', [], ntp);
  await fleet.agent('n1', 'both', ['--label', 'zone=a', ...ntp]);
  await fleet.online('n1');
}, 60_000);

afterAll(() => stack.disposeAsync());

const file = (name: string, text: string): string => {
  writeFileSync(fleet.path(name), text);
  return fleet.path(name);
};

const crawl = (depth: string): string => `kind: Task
name: crawl
command: [sleep, "${depth}"]
on: {labels: {zone: a}}
restart: always
stop: {grace: 1s}
---
kind: Schedule
name: nightly
task: crawl
action: restart
cron: "30 2 * * *"
tz: Europe/Warsaw
---
kind: Node
name: n1
labels: {zone: a, rack: "7"}
`;

test('a file is applied, again without effect, and changed under a running process', async () => {
  const path = file('crawl.yaml', crawl('600'));
  const diff = await fleet.admin(['diff', '-f', path]);
  expect([diff.code, diff.stdout]).toEqual([
    1,
    'node n1: to change\n  labels.rack: (none) -> 7\n' +
      'task crawl: to create, revision 1\nschedule nightly: to create\n',
  ]);
  expect(await fleet.must(['apply', '-f', path])).toContain('task crawl: created, revision 1');
  expect((await fleet.admin(['diff', '-f', path])).code).toBe(0);
  expect(await fleet.must(['task', 'apply', '-f', path])).toContain('nothing to change');
  await fleet.must(['start', 'crawl', '--wait']);
  const dry = await fleet.must(['apply', '-f', '-', '--dry-run'], { stdin: crawl('700') });
  expect(dry).toContain('command: ["sleep","600"] -> ["sleep","700"]');
  expect(dry).toContain('crawl@n1 goes on as it is until it is restarted');
  const rows = JSON.parse(
    await fleet.must(['apply', '-f', '-', '--if-revision', '1', '--json'], { stdin: crawl('700') }),
  ) as unknown;
  expect(rows).toMatchObject([{ kind: 'Task', name: 'crawl', change: 'change', running: 1 }]);
  const [process] = await fleet.json<{ command: string[] }[]>(['ps', 'crawl']);
  expect(process?.command).toEqual(['sleep', '600']);
  const stale = await fleet.admin(['apply', '-f', path, '--if-revision', '1']);
  expect([stale.code, stale.stderr]).toEqual([
    8,
    expect.stringContaining('at revision 2, not at 1'),
  ]);
});

test('what is exported changes nothing, and makes another fleet the same', async () => {
  const yaml = await fleet.must(['export']);
  const diff = await fleet.admin(['diff', '-f', '-'], { stdin: yaml });
  expect([diff.code, diff.stdout]).toEqual([0, 'nothing to change; 3 documents are so already\n']);
  const json = await fleet.must(['export', '--json', '--kind', 'Task']);
  expect(await fleet.must(['apply', '-f', '-'], { stdin: json })).toContain('nothing to change');
  const second = fleet.place('srv2');
  const ready = fleet.path('srv2.ready');
  fleet.start(second, ['server', '--data', fleet.path('s2'), '--ready-file', ready]);
  const env = { LOTC_IDENTITY: fleet.path('s2/admin.json') };
  await until(async () => (await fleet.admin(['task', 'ls'], { place: second, env })).code === 0);
  const tasks = await fleet.must(['export', '--kind', 'Task', '--kind', 'Schedule']);
  await fleet.must(['apply', '-f', '-'], { place: second, env, stdin: tasks });
  expect(await fleet.must(['export'], { place: second, env })).toBe(tasks);
}, 60_000);

test('a directory, all or nothing, and pruned', async () => {
  const directory = fleet.path('fleet');
  mkdirSync(directory);
  file('fleet/1.yaml', 'kind: Task\nname: job-1\ncommand: ["true"]\n');
  file('fleet/2.json', '{"kind":"Task","name":"job-2","command":["true"],"bundle":"nowhere"}');
  file('fleet/readme.txt', 'not a manifest');
  const refused = await fleet.admin(['apply', '-f', directory]);
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('"nowhere"')]);
  expect((await fleet.admin(['task', 'show', 'job-1'])).code).toBe(4);
  file('fleet/2.json', '{"kind":"Task","name":"job-2","command":["true"]}');
  await fleet.must(['apply', '-f', directory]);
  file('fleet/2.json', '[]');
  const prune = ['apply', '-f', directory, '--prune', '--selector', 'job-*', '-o', 'name'];
  expect(await fleet.must(prune)).toBe('job-2\n');
  expect((await fleet.admin(['task', 'show', 'crawl'])).code).toBe(0);
  const all = await fleet.admin(['apply', '-f', directory, '--prune']);
  expect([all.code, all.stderr]).toEqual([8, expect.stringContaining('stop it first')]);
});

test('prune by names that nothing has takes nothing, and says so', async () => {
  const stdin = 'kind: Task\nname: job-1\ncommand: ["true"]\n';
  const before = await fleet.must(['export']);
  const none = ['apply', '-f', '-', '--prune', '--selector', 'nobody-*'];
  expect(await fleet.must(none, { stdin })).toContain('nothing to change');
  expect(await fleet.must(['export'])).toBe(before);
  const wrong = await fleet.admin(['apply', '-f', '-', '--selector', 'nobody-*'], { stdin });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--prune')]);
});

/** As it stands in the contract with users; without limits that not every kernel can hold. */
const example = `kind: Task                     # Task | Schedule | Node
name: crawl-3
bundle: crawler
command: [./crawl, --depth, "3"]
on: {labels: {zone: a}, instances: 3, spread: rack}
after: [{task: import, on: success}]
priority: 70
preempt: true
restart: {policy: on-failure, backoff: 1s..5m, max: 10}
watchdog: 5s
health: {http: "http://localhost:8080/ok", every: 5s, failures: 3}
limits: {memory: 512MiB}
stop: {signal: TERM, grace: 15s}
results: ["out/**"]
onAgentLost: move
lease: 15s
---
kind: Schedule
name: nightly-3
task: crawl-3
action: start
cron: "30 2 * * *"
tz: Europe/Warsaw
missed: once
overlap: forbid
maxClockError: 50ms
`;

test('the example of the contract is applied, and what is exported then changes nothing', async () => {
  file('crawl', '#!/bin/sh\n');
  await fleet.must(['load', fleet.path('crawl'), '--name', 'crawler', '--wait']);
  await fleet.must(['task', 'create', 'import', '--', 'true']);
  // Its lease wants clocks with bounds.
  const apply = ['apply', '-f', '-'];
  let said = '';
  const isApplied = async (): Promise<boolean> => {
    const { code, stderr } = await fleet.admin(apply, { stdin: example });
    said = stderr;
    return code === 0;
  };
  await until(isApplied, 20_000, () => said);
  expect(await fleet.must(apply, { stdin: example })).toContain('nothing to change');
  const diff = await fleet.admin(['diff', '-f', '-'], { stdin: await fleet.must(['export']) });
  expect([diff.code, diff.stdout]).toEqual([0, expect.stringContaining('nothing to change')]);
}, 60_000);

test('mistakes are told with file, line and column', async () => {
  const path = file('bad.yaml', 'kind: Task\nname: x\ncommand: [a]\nlimits:\n  memroy: 1GiB\n');
  const bad = await fleet.admin(['apply', '-f', path]);
  expect([bad.code, bad.stdout]).toEqual([2, '']);
  expect(bad.stderr).toContain(`${path}:5:3: unknown key "memroy"`);
  expect(bad.stderr).toContain('hint: did you mean "memory"?');
  expect((await fleet.admin(['apply', '-f', fleet.path('none.yaml')])).code).toBe(2);
  expect((await fleet.admin(['apply'])).code).toBe(2);
  const most = Array.from({ length: 4_000 }, (_, n) => {
    return `kind: Task\nname: t${n}\ncommand: [x, "${'y'.repeat(150)}"]\n`;
  });
  const large = await fleet.admin(['apply', '-f', '-'], { stdin: most.join('---\n') });
  expect([large.code, large.stderr]).toEqual([8, expect.stringContaining('at most')]);
}, 60_000);

test('the schema is JSON Schema, and needs no server', () => {
  const text = execFileSync('ip', [
    ...['netns', 'exec', fleet.place('srv').netns, 'env', '-i'],
    ...[process.env['LOTC_EXECUTABLE'] ?? 'dist/lotc', 'admin', 'schema'],
  ]);
  const schema = JSON.parse(text.toString()) as { $schema: string };
  expect(schema.$schema).toContain('2020-12');
});
