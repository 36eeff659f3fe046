/** Hooks of a server: programs and addresses that are told of events. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;
let web: ReturnType<typeof spawn>;
beforeAll(async () => {
  fleet = new Fleet();
  const { ipv4 = '' } = fleet.place('web');
  writeFileSync(
    fleet.path('tell'),
    `#!/bin/sh
[ -e ${fleet.path('broken')} ] && { echo out of order >&2; exit 3; }
{ printf '%s %s ' "$LOTC_EVENT_KIND" "$LOTC_EVENT_TASK"; cat; } >> ${fleet.path('told')}
`,
  );
  chmodSync(fleet.path('tell'), 0o755);
  // Notes what it is sent, and answers 200, or 500 while a file says so.
  const answer = `import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
  def do_POST(self):
    body = self.rfile.read(int(self.headers['content-length'])).decode()
    bad = os.path.exists(sys.argv[2])
    with open(sys.argv[1], 'a') as f: f.write(('refused ' if bad else self.headers['lotc-event-kind'] + ' ') + body)
    self.send_response(500 if bad else 200); self.end_headers()
  def log_message(self, *a): pass
http.server.HTTPServer(('', 8080), Handler).serve_forever()`;
  const words = ['python3', '-c', answer, fleet.path('posted'), fleet.path('bad')];
  web = spawn('ip', ['netns', 'exec', fleet.place('web').netns, ...words], { stdio: 'ignore' });
  server = await start(ipv4);
  await fleet.agent('n1');
  await fleet.online('n1');
});
afterAll(async () => {
  web.kill('SIGKILL');
  await fleet[Symbol.asyncDispose]();
});

const start = (web: string, retry = '2s'): Promise<Role> =>
  fleet.server(
    's',
    [],
    [
      ...['--hook', `failed,node-online,task-created=${fleet.path('tell')}`],
      ...['--hook', `process-*=http://${web}:8080/a?key=hidden`],
      ...['--hook', 'task-created=http://127.0.0.1:1/', '--hook', `hook-*=${fleet.path('tell')}`],
      ...['--hook-retry', retry],
    ],
  );

const lines = (name: string): readonly string[] =>
  existsSync(fleet.path(name)) ? readFileSync(fleet.path(name), 'utf8').trim().split('\n') : [];
const kinds = (name: string): readonly string[] =>
  lines(name).map((line) => line.split('{')[0]?.trim() ?? '');
const has = (name: string, kind: string): Promise<void> =>
  until(
    () => kinds(name).includes(kind),
    15_000,
    () => `${kind} in ${kinds(name).join('; ')}\n${server.text()}`,
  );

test('a program and an address are told of what they take, as JSON', async () => {
  await fleet.must(['task', 'create', 'bad', '--', 'sh', '-c', 'exit 3']);
  await fleet.must(['start', 'bad']);
  await has('told', 'process-exited bad');
  await has('posted', 'process-exited');
  const heard = kinds('told').filter((kind) => !kind.startsWith('hook-'));
  expect(heard).toEqual(['node-online', 'task-created bad', 'process-exited bad']);
  const line = lines('posted').find((text) => text.startsWith('process-exited')) ?? '';
  expect(JSON.parse(line.slice(line.indexOf('{')))).toMatchObject({
    ...{ kind: 'process-exited', task: 'bad', node: 'n1', failed: true },
    id: expect.stringMatching(/^\d+\.\d+$/),
  });
  // What was asked to end has not failed.
  await fleet.must(['task', 'create', 'good', '--', 'sleep', '1000']);
  await fleet.must(['start', 'good', '--wait']);
  await fleet.must(['stop', 'good', '--wait']);
  await has('told', 'task-created good');
  expect(kinds('told')).not.toContain('process-exited good');
});

test('one that is dead is given up and said, and holds up nobody', async () => {
  await has('told', 'hook-failed');
  const text = lines('told').find((line) => line.startsWith('hook-failed')) ?? '';
  expect(text).toContain('http://127.0.0.1:1/');
  expect(server.text()).not.toContain('hidden');
});

test('killed with events untold, the next server tells them', async () => {
  const { ipv4 = '' } = fleet.place('web');
  await server.stop();
  server = await start(ipv4, '1h');
  await fleet.online('n1');
  writeFileSync(fleet.path('broken'), '');
  writeFileSync(fleet.path('bad'), '');
  await fleet.must(['task', 'create', 'later', '--', 'sh', '-c', 'exit 4']);
  await fleet.must(['start', 'later']);
  await fleet.must(['wait', 'later', '--for', 'exited', '--timeout', '10s']).catch(() => undefined);
  await until(() => lines('posted').some((line) => line.startsWith('refused')));
  await server.stop('SIGKILL');
  const before = kinds('told');
  expect(before).not.toContain('task-created later');
  rmSync(fleet.path('broken'));
  rmSync(fleet.path('bad'));
  server = await start(ipv4, '1h');
  await has('told', 'process-exited later');
  const isPosted = (line: string): boolean =>
    line.startsWith('process-exited') && line.includes('"task":"later"');
  await until(() => lines('posted').some(isPosted), 15_000);
  const since = kinds('told').slice(before.length);
  expect(since.indexOf('task-created later')).toBeLessThan(since.indexOf('process-exited later'));
});

test('an address that answers badly is asked again until it answers well', async () => {
  writeFileSync(fleet.path('bad'), '');
  await fleet.must(['task', 'create', 'again', '--', 'sh', '-c', 'exit 5']);
  await fleet.must(['start', 'again']);
  const idsOf = (word: string): readonly unknown[] =>
    lines('posted')
      .filter((line) => line.startsWith(word) && line.includes('"task":"again"'))
      .map((line) => (JSON.parse(line.slice(line.indexOf('{'))) as { id: unknown }).id);
  await until(() => idsOf('refused').length >= 2, 15_000);
  // It is the first of them that is asked again, and nothing overtakes it.
  expect(new Set(idsOf('refused')).size).toBe(1);
  rmSync(fleet.path('bad'));
  await until(() => idsOf('process-exited').length === 1, 30_000);
  expect(idsOf('process-')[0]).toBe(idsOf('refused')[0]);
});

test('what is no hook is refused before anything is opened', async () => {
  const wrong = fleet.start(fleet.place('srv'), [
    'server',
    '--data',
    fleet.path('x'),
    '--hook',
    'faild=/x',
  ]);
  expect(await wrong.ended()).toBe(2);
  expect(wrong.text()).toMatch(/no kind of event \\?"faild.*did you mean/s);
  const missing = ['server', '--data', fleet.path('x'), '--hook', 'failed=/no/such'];
  const gone = fleet.start(fleet.place('srv'), missing);
  expect(await gone.ended()).toBe(2);
  expect(gone.text()).toContain('/no/such is no program');
  expect(existsSync(fleet.path('x'))).toBe(false);
});
