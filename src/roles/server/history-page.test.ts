import { expect, test } from 'vitest';
import { encodeShape } from '../../net/codec.ts';
import type { AnyBody } from '../../net/layout.ts';
import { emptyState } from './model/state.ts';
import type { HistoryQuery, HistoryRow } from './ports.ts';
import { answerQuery } from './queries.ts';

const RECORDS = 700;
const ROWS = 3;

/** Each record has several rows: a node tells of many firings in one report. */
const rows = Array.from({ length: RECORDS * ROWS }, (_, index): HistoryRow => {
  const [seq, n] = [1 + Math.floor(index / ROWS), index % ROWS];
  const fire = { schedule: 's', action: 'start', plannedUs: index, lateUs: 1, result: 'ok' };
  return { seq, n, kind: 'fire', at: index, body: encodeShape('fire', fire) };
});

/** As the journal does it: at most 1,000, and no record is cut apart. */
function history({ afterSeq = 0, limit }: HistoryQuery): HistoryRow[] {
  const behind = rows.filter(({ seq }) => seq > afterSeq);
  const cut = behind[Math.min(limit, 1_000)]?.seq;
  if (cut === undefined) return behind;
  const whole = behind.slice(0, limit).filter(({ seq }) => seq < cut);
  return whole.length > 0 ? whole : behind.filter(({ seq }) => seq === cut);
}

function ask(query: Parameters<typeof answerQuery>[1]): AnyBody {
  const ports = {
    history: (of: HistoryQuery, then: (found: HistoryRow[]) => void) => then(history(of)),
  };
  const from = { state: emptyState(), ports, agents: {} };
  let answer: AnyBody = {};
  answerQuery(from as unknown as Parameters<typeof answerQuery>[0], query, (body) => {
    answer = body;
  });
  return answer;
}

test('a page that ends before a record of many rows is not the last', () => {
  const found: number[] = [];
  let after: number | undefined;
  do {
    const page = ask({ query: 'fires', ...(after === undefined ? {} : { after }) });
    for (const { plannedUs } of page.fires ?? []) found.push(plannedUs);
    ({ after } = page);
  } while (after !== undefined);
  expect(found).toEqual(rows.map(({ at }) => at));
});

test('figures are of all firings', () => {
  expect(ask({ query: 'summaries' }).summaries).toMatchObject([{ count: RECORDS * ROWS }]);
});

test.each([1, 4, 5_000])('pages of %i rows come to an end', (limit) => {
  let count = 0;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: AnyBody = ask({ query: 'fires', after, limit });
    count += page.fires?.length ?? 0;
    ({ after } = page);
  }
  expect(count).toBe(RECORDS * ROWS);
});
