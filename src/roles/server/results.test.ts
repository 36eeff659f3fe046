import { expect, test } from 'vitest';
import type { AnyBody } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { emptyState } from './model/state.ts';
import type { Replier } from './ports.ts';
import { Results } from './results.ts';

const run = 'R0000000001A';

test('who waits for files on their way has a sign at once, and the answer when they are here', () => {
  const state = emptyState();
  const record = {
    ...{ run, task: 'crawl', uid: 'U1', ended: true },
    row: { run, task: 'crawl', processState: 'exited', collects: true, startedAt: 1 },
  };
  state.runs.set(run, record as never);
  let change: (changed: object) => void = () => undefined;
  const controller = {
    state,
    onChange: (told: typeof change) => {
      change = told;
    },
  };
  const results = new Results(controller as unknown as Controller, { isPresent: () => true });
  const said: [string, AnyBody][] = [];
  const replier = {
    more: (body: AnyBody) => said.push(['more', body]),
    ok: (body: AnyBody) => said.push(['ok', body]),
    onDrop: () => undefined,
  };
  results.read({ query: 'results', run, wait: true }, replier as unknown as Replier);
  expect(said).toEqual([['more', { keeps: [] }]]);
  const kept = { run, task: 'crawl', files: 1 };
  state.results.set(run, { kept, uid: 'U1' } as never);
  change({ results: new Set([run]), command: { kind: 'report' } });
  expect(said.at(-1)).toEqual(['ok', { keeps: [kept], seq: state.seq }]);
  expect(said).toHaveLength(2);
});

test('what its node cannot keep for now is told at once: nobody knows how long that lasts', () => {
  const state = emptyState();
  const reason = 'no space left on the device; tried again';
  const kept = { run, task: 'crawl', files: 0, last: false, reason };
  const record = { run, task: 'crawl', uid: 'U1', ended: true, collected: true };
  state.runs.set(run, record as never);
  state.results.set(run, { kept, uid: 'U1' } as never);
  const controller = { state, onChange: () => undefined };
  const results = new Results(controller as unknown as Controller, { isPresent: () => true });
  const said: AnyBody[] = [];
  const replier = { ok: (body: AnyBody) => said.push(body) };
  results.read({ query: 'results', run, wait: true }, replier as unknown as Replier);
  expect(said).toMatchObject([{ keeps: [kept] }]);
});
