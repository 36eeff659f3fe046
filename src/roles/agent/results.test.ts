import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { limits } from '../../base/limits.ts';
import type { Failure } from '../../net/layout.ts';
import type { Link } from '../../net/link.io.ts';
import { failureOf } from '../../net/refused.ts';
import { paths } from '../../supervisor/paths.ts';
import type { AgentAction, RunEvent } from './events.ts';
import { ResultFiles } from './results.io.ts';

const run = 'R0123456789A';
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-results-'));
  const file = paths(directory, run).results;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'tar');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What becomes of a delivery, where the server answers so, one after the other. */
async function deliver(answers: readonly (Failure | undefined)[]): Promise<readonly unknown[]> {
  const left = [...answers];
  const { promise, resolve } = Promise.withResolvers<RunEvent>();
  const link = {
    end: undefined,
    ask: (_: string, __: object, asker: { ok(): void; fail(failure: Failure): void }) => {
      const failure = left.shift();
      queueMicrotask(() => (failure ? asker.fail(failure) : asker.ok()));
      return {};
    },
  };
  const log = (): void => undefined;
  const files = new ResultFiles({ directory, log, emit: (_, event) => resolve(event) });
  files.connected(link as unknown as Link);
  const delivery = { type: 'deliver', run, digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 3 };
  files.carryOut(delivery as Extract<AgentAction, { type: 'deliver' }>);
  const event = await promise;
  await files.close();
  return [event.kind, left.length];
}

test('who finds the server busy waits its turn, and nothing has failed', async () => {
  const busy = failureOf('busy', '8 uploads are under way already');
  expect(await deliver([busy, undefined])).toEqual(['delivered', 0]);
});

test('what fails otherwise is told', async () => {
  const full = failureOf('disk-full', 'the server has no room for result files');
  expect(await deliver([full, undefined])).toEqual(['deliver-failed', 1]);
});

const digest = `sha256:${'a'.repeat(64)}`;

test('a full disk: told once as still to come, tried until there is room, then told as it is', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  const order = { item: 'O1/0', order: 'O1/0', generation: 1, entry: 'order', verb: 'start', run };
  const spec = { command: ['./x'], results: ['out'] };
  node.assign({ generation: 1, base: 0, items: [{ ...order, task: 'web', spec, at: 1 }] });
  node.settle();
  node.endSome();
  node.settle();
  const kept = () => node.journaled.flatMap((report) => (report.kept ? [report.kept] : []));
  for (let tries = 1; tries <= 3; tries += 1) {
    expect(node.collections).toHaveLength(tries);
    node.run(run, { kind: 'collect-failed', reason: 'no space left' });
    node.settle();
    expect(kept()).toMatchObject([{ files: 0, last: false, reason: 'no space left; tried again' }]);
    node.tick(limits.resultRetryMs + 1);
    node.settle();
  }
  const collected = { digest, sizeBytes: 3, files: 1, skipped: [] };
  node.run(run, { kind: 'collected', collected });
  node.settle();
  node.run(run, { kind: 'deliver-failed', reason: 'the server has no room' });
  node.settle();
  expect(kept().at(-1)).toMatchObject({
    last: false,
    reason: 'the server has no room; tried again',
  });
  node.tick(limits.resultRetryMs + 1);
  node.settle();
  expect(node.deliveries).toEqual([run, run]);
  node.run(run, { kind: 'delivered' });
  node.settle();
  expect(kept().at(-1)).toMatchObject({ digest, files: 1, skipped: [] });
  expect(kept().at(-1)?.last).toBeUndefined();
});
