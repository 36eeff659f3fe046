/** `lotc notify` and `lotc-notify` against a shim, from a shell as a task would have them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { removeTree } from '../fixtures/remove.ts';
import { type Built, buildShim, Run, root } from './rig.ts';

const executable = process.env['LOTC_EXECUTABLE'] ?? join(root, 'dist/lotc');
let built: Built;
let run: Run;

beforeAll(() => {
  built = buildShim(false);
  mkdirSync(join(built.directory, 'bin'));
  linkSync(built.path, join(built.directory, 'bin/lotc-notify'));
});
afterAll(() => removeTree(built.directory));
beforeEach(() => {
  run = new Run();
});
afterEach(() => run.end());

async function sh(script: string): Promise<string[]> {
  const notify = run.path('notify');
  const env = [`PATH=/usr/bin:/bin:${built.directory}/bin`, `NOTIFY_SOCKET=${notify}`];
  run.start(built.path, ['sh', '-c', script, executable], { notify, env });
  expect(await run.event('exited')).toMatchObject({ how: 'code', value: 0 });
  return run.events.flatMap((event) =>
    event.kind === 'sign' ? [`${event.name}=${event.value}`] : [],
  );
}

test('lotc notify: taken before it ends', async () => {
  expect(await sh('"$0" notify READY=1 "STATUS=half way" && lotc-notify WATCHDOG=1')).toEqual([
    ...['READY=1', 'STATUS=half way', 'WATCHDOG=1'],
  ]);
});

test('lotc notify: what is wrong is said, with its code', () => {
  const notify = (words: string[], socket?: string) => {
    const env = {
      PATH: process.env['PATH'],
      ...(socket === undefined ? {} : { NOTIFY_SOCKET: socket }),
    };
    const { status, stderr } = spawnSync(executable, ['notify', ...words], {
      env,
      encoding: 'utf8',
    });
    return `${status} ${stderr}`;
  };
  expect(notify([])).toMatch(/^2 usage/);
  expect(notify(['ready'])).toMatch(/^2 usage/);
  expect(notify(['READY=1'])).toMatch(/^1 .*NOTIFY_SOCKET is not set/);
  expect(notify(['READY=1'], '/no/such')).toMatch(/^1 .*nobody listens at \/no\/such/);
  expect(notify(['READY=1'], '@no-such-name')).toMatch(/^1 .*nobody listens/);
  expect(notify(['READY=1'], 'relative')).toMatch(/^1 .*no path/);
  expect(execFileSync(executable, ['notify', '--help']).toString()).toMatch(/^usage/);
});

test('a loop of a shell calls lotc-notify in a few milliseconds', async () => {
  const script = 'i=0; while [ $i -lt 50 ]; do lotc-notify WATCHDOG=1; i=$((i+1)); done';
  expect(await sh(script)).toHaveLength(50);
});
