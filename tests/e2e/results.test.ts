/** Result files, as a user has them: kept, delivered, fetched, and what is hostile left out. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Place, type Role, until } from './fleet.ts';

let fleet: Fleet;
let n2: Role;
let where: Place;

beforeAll(async () => {
  fleet = new Fleet();
  fleet.tmpfs('s', '1g');
  await fleet.server();
  await fleet.agent('n1');
  n2 = await fleet.agent('n2');
  await fleet.online('n1', 'n2');
  where = fleet.place('n2');
}, 60_000);

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

const script = async (task: string, text: string, options: readonly string[]): Promise<void> => {
  await fleet.must(['task', 'create', task, ...options, '--', 'sh', '-c', text]);
};
const ended = (task: string) => fleet.admin(['wait', task, '--for', 'gone']);

test('files of the last runs, as soon as they have ended, by node and run', async () => {
  await script(
    'crawl',
    'mkdir -p out/deep; echo $LOTC_NODE >out/a; echo two >out/deep/b; echo no >c',
    [...['--results', 'out/*', '--results', 'more/**']],
  );
  await fleet.must(['start', 'crawl']);
  expect((await ended('crawl')).code).toBe(0);
  const out = fleet.path('out');
  const paths = (await fleet.must(['results', 'crawl', '-C', out])).trim().split('\n');
  expect(paths).toHaveLength(2);
  for (const [index, node] of ['n1', 'n2'].entries()) {
    expect(paths[index]).toMatch(new RegExp(`^${out}/${node}/R[0-9A-Z]{11}$`));
    const run = readdirSync(join(out, node));
    const found = readdirSync(join(out, node, run[0] ?? ''), { recursive: true }).map(String);
    expect(found.sort()).toEqual(['out', 'out/a', 'out/deep', 'out/deep/b']);
  }
  const run = readdirSync(join(out, 'n1'))[0] ?? '';
  await fleet.must(['results', 'crawl', '--run', run, '--flat', '-C', fleet.path('flat')]);
  expect(readFileSync(fleet.path('flat/out/deep/b'), 'utf8')).toBe('two\n');
  const rows = await fleet.json<unknown[]>(['results', 'crawl', '--list']);
  expect(rows).toMatchObject([
    { node: 'n1', files: 2, skipped: [], delivered: true },
    { node: 'n2', files: 2, skipped: [], delivered: true },
  ]);
  // What was delivered lies on the node no more; its run does.
  await until(() => !existsSync(join(fleet.path('a-n1'), 'private/runs', run, 'results.tar')));
  const both = await fleet.admin(['results', 'crawl', '--flat', '-C', out]);
  expect(both.code).toBe(2);
}, 60_000);

test('all runs, and what there is not', async () => {
  await fleet.must(['start', 'crawl@n1']);
  await ended('crawl@n1');
  await fleet.must(['results', 'crawl@n1', '-C', fleet.path('one')]);
  const all = await fleet.json<{ node: string }[]>(['results', 'crawl', '--all', '--list']);
  expect(all.map(({ node }) => node)).toEqual(['n1', 'n1', 'n2']);
  expect((await fleet.admin(['results', 'nope', '-C', 'x'])).code).toBe(4);
  expect((await fleet.admin(['results', 'crawl', '--run', 'R0123456789A', '-C', 'x'])).code).toBe(
    4,
  );
  expect((await fleet.admin(['results', 'crawl'])).code).toBe(2);
  await script('plain', 'true', []);
  const none = await fleet.admin(['results', 'plain', '-C', 'x']);
  expect([none.code, none.stderr]).toEqual([4, expect.stringContaining("--results 'out/*'")]);
  await script('empty', 'true', ['--results', 'out/*', '--on', 'n1']);
  await fleet.must(['start', 'empty']);
  await ended('empty');
  const nothing = await fleet.admin(['results', 'empty', '-C', fleet.path('none')]);
  expect([nothing.code, nothing.stdout]).toEqual([0, '']);
  expect(nothing.stderr).toContain('no file matched');
}, 60_000);

test('hostile names and links are left out and named, the rest comes', async () => {
  writeFileSync(fleet.path('secret'), 'secret');
  await script(
    'evil',
    `mkdir out; echo ok >out/ok; ln -s ${fleet.path('secret')} out/link; ln -s / out/root
     touch "out/$(printf 'a\\033[31mb')"; mkfifo out/pipe; touch "out/$(printf '\\377')"`,
    ['--results', 'out', '--on', 'n1'],
  );
  await fleet.must(['start', 'evil']);
  await ended('evil');
  const out = fleet.path('evil');
  const { code, stdout, stderr } = await fleet.admin(['results', 'evil', '-C', out, '--json']);
  expect(code).toBe(0);
  const [first] = JSON.parse(stdout) as { path: string; skipped: string[] }[];
  const { path, skipped } = first ?? { path: '', skipped: [] };
  expect(readdirSync(join(path, 'out'))).toEqual(['ok']);
  expect(skipped).toHaveLength(5);
  expect(stderr).toContain('link: it is a link out of the directory of the run');
}, 60_000);

test('a node that is away delivers when it is back; what it delivered is here meanwhile', async () => {
  await script('far', 'sleep 2; mkdir out; head -c 3000000 /dev/urandom >out/big', [
    ...['--results', 'out/**', '--on', 'n2'],
  ]);
  await fleet.must(['start', 'far', '--wait']);
  fleet.cable(where, 'down');
  const runs = join(fleet.path('a-n2'), 'private/runs');
  const kept = (): string[] =>
    readdirSync(runs).filter((run) => existsSync(join(runs, run, 'results.tar')));
  await until(() => kept().length === 1, 20_000);
  await until(async () => (await fleet.nodeState('n2')) === 'unresponsive', 40_000);
  await fleet.must(['results', 'crawl@n2', '-C', fleet.path('meanwhile')]);
  // An agent that dies with it in hand goes on with it.
  await n2.stop('SIGKILL');
  n2 = await fleet.agent('n2');
  fleet.cable(where, 'up');
  await fleet.online('n2');
  await ended('far');
  const path = (await fleet.must(['results', 'far', '-C', fleet.path('far')])).trim();
  expect(statSync(join(path, 'out/big')).size).toBe(3_000_000);
  await until(() => kept().length === 0);
}, 120_000);

test('the same content from several nodes and runs at once: nobody is told that it failed', async () => {
  const same = 'mkdir out; yes | head -c 60000000 >out/same; while [ ! -e GO ]; do sleep 0.1; done';
  const go = fleet.path('go');
  const text = same.replace('GO', go);
  await script('same-a', text, ['--results', 'out/**']);
  await script('same-b', text, ['--results', 'out/**']);
  await fleet.must(['start', 'same-a', 'same-b', '--wait']);
  writeFileSync(go, '');
  await fleet.admin(['wait', 'same-a', 'same-b']);
  for (const task of ['same-a', 'same-b']) {
    const into = fleet.path(task);
    await fleet.must(['results', task, '-C', into]);
    expect(readdirSync(into).sort()).toEqual(['n1', 'n2']);
  }
}, 60_000);

const MANY = 20_000;

test('many small files, and a full disk where they are fetched', async () => {
  // A line a file: quicker than a shell that opens each.
  const text = `mkdir out; seq ${MANY} | split -l 1 -a 5 - out/f`;
  await script('many', text, ['--results', 'out', '--on', 'n1']);
  await fleet.must(['start', 'many']);
  await ended('many');
  const full = fleet.tmpfs('full', '1m');
  const patient = { timeoutMs: 150_000 };
  const refused = await fleet.admin(['results', 'many', '-C', full], patient);
  expect([refused.code, refused.stderr]).toEqual([8, expect.stringContaining('no space left')]);
  const path = (await fleet.must(['results', 'many', '-C', fleet.path('many')], patient)).trim();
  const found = readdirSync(join(path, 'out')).sort();
  expect(found).toHaveLength(MANY);
  expect(readFileSync(join(path, 'out', found.at(-1) ?? ''), 'utf8')).toBe(`${MANY}\n`);
  const [row] = await fleet.json<unknown[]>(['results', 'many', '--list']);
  expect(row).toMatchObject({ files: MANY, skipped: [], delivered: true });
}, 300_000);

test('a file that grows while it is read: a beginning of it, which is named; the rest whole', async () => {
  const go = fleet.path('go-on');
  // Large, so that whoever writes has turns while it is read.
  const text = `mkdir out; yes | head -c 60000000 >out/grows; echo whole >out/small; pwd
    while [ ! -e ${go} ]; do sleep 0.05; done`;
  await script('growing', text, ['--results', 'out', '--on', 'n1']);
  await fleet.must(['start', 'growing', '--wait']);
  const said = (): Promise<string> => fleet.must(['logs', 'growing', '--stdout']);
  await until(async () => (await said()).includes('\n'), 20_000);
  const work = (await said()).trim();
  // Somebody who is none of the run's, and does not end with it.
  const writer = spawn('sh', ['-c', 'while echo more >>out/grows; do :; done'], { cwd: work });
  try {
    writeFileSync(go, '');
    expect((await ended('growing')).code).toBe(0);
    const out = fleet.path('growing');
    const { code, stdout, stderr } = await fleet.admin(['results', 'growing', '-C', out]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('out/grows: it changed while')]);
    const kept = readFileSync(join(stdout.trim(), 'out/grows'));
    expect(kept.length).toBeGreaterThanOrEqual(60_000_000);
    const whole = 'y\n'.repeat(30_000_000) + 'more\n'.repeat(kept.length - 60_000_000);
    expect(kept.equals(Buffer.from(whole).subarray(0, kept.length))).toBe(true);
    expect(readFileSync(join(stdout.trim(), 'out/small'), 'utf8')).toBe('whole\n');
  } finally {
    writer.kill('SIGKILL');
  }
}, 60_000);

interface Listed {
  readonly files: number;
  readonly delivered: boolean;
  readonly reason: string | null;
}

/** What is known of the files of a task's only run. */
const listed = async (task: string): Promise<Listed | undefined> =>
  (await fleet.json<Listed[]>(['results', task, '--list']))[0];

const comes = (task: string): Promise<void> =>
  until(async () => (await listed(task))?.delivered === true, 60_000);

/** Its files could not come for want of room; who asks for them is told, and does not wait. */
async function wants(task: string): Promise<void> {
  const isTold = async (): Promise<boolean> =>
    (await listed(task))?.reason?.includes('tried again') ?? false;
  await until(isTold, 30_000);
  expect(await listed(task)).toMatchObject({ files: 0, delivered: false });
  const { code, stdout, stderr } = await fleet.admin(['results', task, '-C', fleet.path('no')]);
  expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(/no (space|room)/)]);
}

test('the disk of a node is full when a run ends: its files come once there is room', async () => {
  fleet.tmpfs('a-n3', '60m');
  await fleet.agent('n3');
  await fleet.online('n3');
  // What the run itself wrote fits, a copy of it does not.
  await script('tight', 'mkdir out; head -c 30000000 /dev/urandom >out/big; sha256sum out/big', [
    ...['--results', 'out', '--on', 'n3'],
  ]);
  await fleet.must(['start', 'tight']);
  expect((await fleet.admin(['wait', 'tight', '--timeout', '30s'])).code).toBe(0);
  await wants('tight');
  // The node is well otherwise.
  await script('still', 'exit 4', ['--on', 'n3']);
  await fleet.must(['start', 'still', '--wait']);
  expect((await fleet.admin(['wait', 'still', '--timeout', '20s'])).code).toBe(4);
  fleet.tmpfs('a-n3', '200m');
  await comes('tight');
  const path = (await fleet.must(['results', 'tight', '-C', fleet.path('tight')])).trim();
  const sum = createHash('sha256')
    .update(readFileSync(join(path, 'out/big')))
    .digest('hex');
  expect(await fleet.must(['logs', 'tight'])).toContain(sum);
}, 150_000);

test('the disk of the server is full when files come: they stay on their node until there is room', async () => {
  const { blocks, bfree, bsize } = statfsSync(fleet.path('s'));
  // Less than the file and the server's own reserve.
  fleet.tmpfs('s', `${(blocks - bfree) * bsize + 80_000_000}`);
  await script('heavy', 'mkdir out; head -c 50000000 /dev/urandom >out/big', [
    ...['--results', 'out', '--on', 'n1'],
  ]);
  await fleet.must(['start', 'heavy']);
  await ended('heavy');
  await wants('heavy');
  fleet.tmpfs('s', '1g');
  await comes('heavy');
  const path = (await fleet.must(['results', 'heavy', '-C', fleet.path('heavy')])).trim();
  expect(statSync(join(path, 'out/big')).size).toBe(50_000_000);
}, 150_000);

test('a task that was removed leaves its files for as long as they are kept', async () => {
  await fleet.must(['task', 'rm', 'crawl']);
  mkdirSync(fleet.path('after'));
  await fleet.must(['results', 'crawl', '-C', fleet.path('after')]);
  expect(readdirSync(fleet.path('after')).sort()).toEqual(['n1', 'n2']);
});

interface Past {
  readonly task: string;
  readonly run: string;
  readonly exitCode: number;
}

test('the runs of a task that was removed are known by its name, those of none are not', async () => {
  await script('past', 'echo said; exit 3', ['--on', 'n1']);
  for (let runs = 0; runs < 2; runs += 1) {
    await fleet.must(['start', 'past']);
    await ended('past');
  }
  await fleet.must(['task', 'rm', 'past']);
  const all = await fleet.json<Past[]>(['ps', '--all', 'past']);
  const history = await fleet.json<Past[]>(['task', 'history', 'past']);
  expect(all.map(({ task, exitCode }) => [task, exitCode])).toEqual([
    ['past', 3],
    ['past', 3],
  ]);
  expect(history.map(({ run }) => run)).toEqual(all.map(({ run }) => run).reverse());
  expect(await fleet.must(['logs', '--run', all[1]?.run ?? '', 'past'])).toBe('said\n');
  for (const words of [
    ['ps', '--all', 'nope'],
    ['task', 'history', 'nope'],
    ['ps', 'past'],
  ])
    expect((await fleet.admin(words)).code, words.join(' ')).toBe(4);
});
