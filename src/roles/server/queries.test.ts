import { expect, test } from 'vitest';
import { encodeShape } from '../../net/codec.ts';
import type { AnyBody, Shape } from '../../net/layout.ts';
import { emptyState } from './model/state.ts';
import type { HistoryRow } from './ports.ts';
import { answerQuery } from './queries.ts';

function past(seq: number, process: Shape<'process'>): HistoryRow {
  return { seq, n: 1, kind: 'run', at: seq, task: 't', body: encodeShape('process', process) };
}

/** A start that was withdrawn, and ran all the same: the node's word came later. */
const newestFirst = [
  past(9, { run: 'R1', task: 't', processState: 'exited', exitCode: 3 }),
  past(4, { run: 'R1', task: 't', processState: 'failed' }),
];

test.each(['history', 'processes'])('%s shows a run once, by the last word on it', (query) => {
  const ports = { history: (_: unknown, then: (rows: HistoryRow[]) => void) => then(newestFirst) };
  const from = { state: emptyState(), ports, agents: {} };
  let answer: AnyBody = {};
  const asked = { query, all: true, ...(query === 'history' ? { task: 't' } : {}) };
  answerQuery(from as unknown as Parameters<typeof answerQuery>[0], asked, (body) => {
    answer = body;
  });
  expect(answer.processes).toMatchObject([{ run: 'R1', processState: 'exited', exitCode: 3 }]);
  expect(answer.processes).toHaveLength(1);
});
