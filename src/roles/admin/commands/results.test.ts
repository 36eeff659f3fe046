/** `results` against a scripted server. */
import { expect, test } from 'vitest';
import { failure, Refused } from '../client.ts';
import { run } from '../fake.io.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const kept = { run: 'R0123456789A', task: 'crawl', node: 'n1', digest, sizeBytes: 5, files: 2 };
const answer = (...keeps: object[]) => ({ retQuery: { ok: { keeps } } });
const content = (console: { ask: { contents: Record<string, Uint8Array> } }): void => {
  console.ask.contents = { [digest]: new Uint8Array(5) };
};

test('each run into a directory of its own, which is printed', async () => {
  const other = { ...kept, node: 'n2', run: 'R0123456789B', skipped: ['out/x: it is no file'] };
  const words = ['results', 'crawl', '-C', 'out/', '--on', 'zone=a'];
  const { ask, console, exitCode, stdout, stderr } = await run(words, answer(other, kept), {
    prepare: content,
  });
  expect([exitCode, stdout]).toEqual([0, 'out/n1/R0123456789A\nout/n2/R0123456789B\n']);
  expect(console.unpacked).toEqual({ 'out/n1/R0123456789A': 5, 'out/n2/R0123456789B': 5 });
  expect(stderr).toContain('crawl@n2 R0123456789B: left out: out/x: it is no file');
  expect(ask.last('retQuery')).toEqual({
    ...{ query: 'results', names: ['crawl'], on: 'zone=a', wait: true },
  });
});

test('what is unsafe here is named too, and a terminal sees how far it is', async () => {
  const prepare = (console: Parameters<typeof content>[0] & { unsafe: string[] }): void => {
    content(console);
    console.unsafe = ['../x: it leads out of the directory'];
  };
  const words = ['results', 'crawl', '--flat', '-C', 'out'];
  const { console, exitCode, stderr } = await run(words, answer(kept), { prepare, tty: true });
  expect([exitCode, console.unpacked]).toEqual([7, { out: 5 }]);
  expect(stderr).toContain('not written: ../x: it leads out of the directory');
  expect(stderr).toContain('100% of 5B');
});

test.each([
  [{ ...kept, run: '../../../etc/cron.d' }, kept, 7],
  [{ ...kept, node: '..' }, kept, 7],
  [{ ...kept, node: 'a/b' }, kept, 7],
])(
  'a server that was lied to names a place of which there is none: %j',
  async (bad, good, code) => {
    const { console, exitCode, stderr } = await run(
      ['results', 'crawl', '-C', 'out'],
      answer(bad, good),
      { prepare: content },
    );
    expect([exitCode, console.unpacked]).toEqual([code, { 'out/n1/R0123456789A': 5 }]);
    expect(stderr).toContain('is no place');
  },
);

test.each([
  [[kept, { ...kept, digest: undefined, reason: 'node n2 is away', node: 'n2' }], 7],
  [[{ ...kept, digest: undefined, reason: 'node n1 is away' }], 1],
  [[{ ...kept, digest: undefined, files: 0 }], 0],
])('what could not be fetched: %j ends with %i', async (rows, code) => {
  const { exitCode } = await run(['results', 'crawl', '-C', 'x'], answer(...rows), {
    prepare: content,
  });
  expect(exitCode).toBe(code);
});

test.each([
  [['results', 'crawl'], '-C DIR is missing'],
  [['results', 'crawl', '--all', '--last', '-C', 'x'], 'one of --run, --last and --all'],
  [['results', 'crawl', '--run', 'x', '-C', 'x'], 'is no run'],
  [['results', 'crawl', '--all', '--flat', '-C', 'x'], '--flat is for a single run'],
])('%j is a usage error', async (words, text) => {
  const { exitCode, stderr } = await run(words, answer(kept, { ...kept, node: 'n2' }));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(text)]);
});

test('nothing to fetch is 4, and a list asks for no content', async () => {
  const error = new Refused(failure('nothing-matches', 'there are no result files'));
  const none = await run(['results', 'crawl', '-C', 'x'], { retQuery: { error } });
  expect(none.exitCode).toBe(4);
  const list = await run(['results', 'crawl', '--list', '--json'], answer(kept));
  expect(JSON.parse(list.stdout)).toMatchObject([{ node: 'n1', files: 2, delivered: true }]);
  expect(list.ask.last('retQuery')).toEqual({ query: 'results', names: ['crawl'] });
});

test.each([
  [kept, true],
  [{ ...kept, digest: undefined, files: 0 }, true],
  [{ ...kept, digest: undefined, last: false, reason: 'they are on their way' }, false],
  [{ ...kept, digest: undefined, last: false, reason: 'no space left; tried again' }, false],
  [{ ...kept, digest: undefined, reason: 'the run was removed by its retention' }, false],
])('delivered is what is here: %j is %s', async (row, delivered) => {
  const { stdout } = await run(['results', 'crawl', '--list', '--json'], answer(row));
  expect(JSON.parse(stdout)).toMatchObject([{ delivered }]);
});
