/**
 * One suite for every journal (store page, section 8): what is promised, asked of each engine in
 * the same words. A bench says how to open it, how it crashes and how its disk fills up.
 */

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { limits } from '../../src/base/limits.ts';
import type { HistoryRow, JournalState, ServerJournal } from '../../src/store/journal.ts';
import { chain } from '../../src/store/record.ts';

export interface OpenOptions {
  readonly server?: string | undefined;
  readonly acceptLoss?: boolean | undefined;
  readonly onState?: ((state: JournalState) => void) | undefined;
}

export interface Bench extends AsyncDisposable {
  open(options?: OpenOptions): Promise<ServerJournal>;
  /** The process dies now; what is on disk is what the next `open` finds. */
  crash(): Promise<void>;
  /** Keeps what is on disk now; the function it gives puts it back, the witness excepted. */
  keep(): Promise<() => Promise<void>>;
  fill(): Promise<void>;
  free(): Promise<void>;
  tearNewestSnapshot(): Promise<void>;
}

const encoder = new TextEncoder();
export const bytesOf = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));
export const valueOf = (rec: Uint8Array): unknown => JSON.parse(Buffer.from(rec).toString());
export const flag = (what: string) => expect.objectContaining({ fault: what });

const row = (seq: number, n: number, more: Partial<HistoryRow> = {}): HistoryRow => {
  return { seq, n, kind: 'event', at: seq * 1_000, body: bytesOf(`${seq}.${n}`), ...more };
};

async function* slices(text: string): AsyncGenerator<Uint8Array> {
  for (const part of text.match(/.{1,5}/gs) ?? []) yield Buffer.from(part);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const slice of body) parts.push(slice);
  return Buffer.concat(parts).toString();
}

async function readAll(journal: ServerJournal, after = 0): Promise<unknown[]> {
  const values: unknown[] = [];
  for (let seq = after; ; ) {
    const entries = await journal.read(seq, 1_000);
    if (entries.length === 0) return values;
    for (const entry of entries) {
      expect(entry.seq).toBe(seq + 1);
      seq = entry.seq;
      values.push(valueOf(entry.rec));
    }
  }
}

async function appendMany(journal: ServerJournal, count: number, from = 0): Promise<void> {
  const all = Array.from({ length: count }, (_, index) => journal.append([bytesOf(from + index)]));
  await Promise.all(all);
}

/** Inside a `describe` of the engine's own. */
export function conformance(make: () => Promise<Bench>): void {
  let bench: Bench;
  beforeEach(async () => {
    bench = await make();
  });
  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
  });
  appends(() => bench);
  follows(() => bench);
  histories(() => bench);
  snapshots(() => bench);
  badDays(() => bench);
  randomHistories(() => bench);
}

function appends(bench: () => Bench): void {
  test('1: appends are numbered without gaps from 1, a batch contiguous, read back as written', async () => {
    const journal = await bench().open();
    expect(journal.head).toEqual({ seq: 0, crc: 0 });
    expect(await journal.append([bytesOf('a')])).toEqual({ first: 1, last: 1 });
    const both = [journal.append([bytesOf('b'), bytesOf('c')]), journal.append([bytesOf('d')])];
    expect(await Promise.all(both)).toEqual([
      { first: 2, last: 3 },
      { first: 4, last: 4 },
    ]);
    expect(await readAll(journal)).toEqual(['a', 'b', 'c', 'd']);
    expect(await journal.read(1, 2)).toHaveLength(2);
    let crc = 0;
    for (const entry of await journal.read(0, 100)) {
      crc = chain(entry.rec, crc);
      expect(entry).toMatchObject({ crc, writer: 's1', epoch: journal.writer.epoch });
    }
    expect(journal.head).toEqual({ seq: 4, crc });
  });

  test('2: of 256 submitters each is answered in the order of its number', async () => {
    const journal = await bench().open();
    const answered: number[] = [];
    const submit = async (who: number): Promise<void> => {
      let before = 0;
      for (let round = 0; round < 10; round += 1) {
        const { first } = await journal.append([bytesOf([who, round])]);
        expect(first).toBeGreaterThan(before);
        before = first;
        answered.push(first);
      }
    };
    await Promise.all(Array.from({ length: 256 }, (_, who) => submit(who)));
    expect(answered).toEqual(Array.from({ length: 2_560 }, (_, index) => index + 1));
    expect(new Set((await readAll(journal)).map(String)).size).toBe(2_560);
  });

  test('4: reopened, it is the same history, in a new epoch', async () => {
    const journal = await bench().open();
    await appendMany(journal, 20);
    const { id, head, writer } = journal;
    await journal[Symbol.asyncDispose]();
    const again = await bench().open({ server: 's2' });
    expect([again.id, again.head]).toEqual([id, head]);
    expect(again.writer.epoch).toBeGreaterThan(writer.epoch);
    await again.append([bytesOf('later')]);
    const entries = await again.read(19, 10);
    expect(entries.map(({ seq, writer: by }) => [seq, by])).toEqual([
      [20, 's1'],
      [21, 's2'],
    ]);
  });

  test('16: what it does not take is named: too large, empty, closed, withdrawn', async () => {
    const journal = await bench().open();
    const large = new Uint8Array(limits.journalRecordBytes + 1);
    await expect(journal.append([large])).rejects.toEqual(flag('TooLarge'));
    await expect(journal.append([])).rejects.toEqual(flag('Empty'));
    await expect(journal.append([new Uint8Array(0)])).rejects.toEqual(flag('Empty'));
    await expect(journal.append([bytesOf(1)], { signal: AbortSignal.abort() })).rejects.toEqual(
      flag('Aborted'),
    );
    await journal.append([new Uint8Array(limits.journalRecordBytes).fill(1)]);
    expect(journal.head.seq).toBe(1);
    await journal[Symbol.asyncDispose]();
    await journal[Symbol.asyncDispose]();
    await expect(journal.append([bytesOf(1)])).rejects.toEqual(flag('Closed'));
    expect(journal.state()).toBe('closed');
  });

  test('what was appended before a close is committed by it', async () => {
    const journal = await bench().open();
    const last = journal.append([bytesOf('last')]);
    await journal[Symbol.asyncDispose]();
    expect(await last).toEqual({ first: 1, last: 1 });
    expect(await readAll(await bench().open())).toEqual(['last']);
  });
}

function follows(bench: () => Bench): void {
  test('3: follow gives history, then what is live, from any place', async () => {
    const journal = await bench().open();
    await appendMany(journal, 3_000);
    for (const after of [0, 1_500, 3_000]) {
      const before = journal.head.seq;
      let seen = after;
      const live = after === 3_000 ? appendMany(journal, 50) : undefined;
      const upTo = live ? before + 50 : before;
      for await (const entries of journal.follow(after)) {
        for (const { seq } of entries) {
          expect(seq).toBe(seen + 1);
          seen = seq;
        }
        if (seen >= upTo) break;
      }
      await live;
      expect(seen).toBe(upTo);
    }
  });

  test('3: an append is answered after the follower came back, a slow follower misses nothing', async () => {
    const journal = await bench().open();
    let applied = 0;
    const loop = (async () => {
      for await (const entries of journal.follow(0)) {
        await new Promise((resolve) => setImmediate(resolve));
        for (const { seq } of entries) {
          expect(seq).toBe(applied + 1);
          applied = seq;
        }
      }
    })();
    const check = async (index: number): Promise<void> => {
      const { last } = await journal.append([bytesOf(index)]);
      expect(applied).toBeGreaterThanOrEqual(last);
    };
    await Promise.all(Array.from({ length: 3_000 }, (_, index) => check(index)));
    await journal[Symbol.asyncDispose]();
    await loop;
    expect(applied).toBe(3_000);
  });

  test('7: of two writers the older is fenced, and nothing of its is taken', async () => {
    const older = await bench().open();
    await older.append([bytesOf('mine')]);
    const newer = await bench().open();
    await newer.append([bytesOf('yours')]);
    await expect(older.append([bytesOf('stale')])).rejects.toEqual(flag('Fenced'));
    await expect(older.append([bytesOf('stale')])).rejects.toEqual(flag('Fenced'));
    expect(older.state()).toBe('fenced');
    await newer.append([bytesOf('more')]);
    expect(await readAll(newer)).toEqual(['mine', 'yours', 'more']);
  });
}

function histories(bench: () => Bench): void {
  test('history is asked by what it names, in pages that do not cut a record apart', async () => {
    const journal = await bench().open();
    await appendMany(journal, 30);
    const rows = Array.from({ length: 60 }, (_, index) =>
      row(1 + (index >> 1), index & 1, { task: `t${index % 3}`, node: index < 10 ? 'n1' : 'n2' }),
    );
    journal.project([...rows, row(7, 9, { kind: 'run', run: 'r1' })], 30);
    const seqs = async (query: object): Promise<number[]> =>
      (await journal.history({ kind: 'event', limit: 1_000, ...query })).map(({ seq }) => seq);
    expect(await journal.history({ kind: 'event', limit: 1_000 })).toEqual(rows);
    expect(await seqs({ limit: 5 })).toEqual([1, 1, 2, 2]);
    expect(await seqs({ limit: 1 })).toEqual([1, 1]);
    expect(await seqs({ limit: 4, afterSeq: 2 })).toEqual([3, 3, 4, 4]);
    expect(await seqs({ limit: 4, newestFirst: true })).toEqual([30, 30, 29, 29]);
    expect(await seqs({ limit: 4, newestFirst: true, beforeSeq: 29 })).toEqual([28, 28, 27, 27]);
    expect(await seqs({ node: 'n1' })).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    expect(await seqs({ task: 't1', node: 'n1' })).toEqual([1, 3, 4]);
    expect(await seqs({ sinceUs: 29_000 })).toEqual([29, 29, 30, 30]);
    expect(await seqs({ kind: 'run', run: 'r1' })).toEqual([7]);
    expect(await seqs({ kind: 'operation' })).toEqual([]);
    expect(journal.projected).toBe(30);
  });

  test('of rows with one name the newest is kept, also after a crash', async () => {
    let journal = await bench().open();
    await appendMany(journal, 4);
    const fire = (seq: number, n: number, name: string): HistoryRow =>
      row(seq, n, { kind: 'fire', schedule: name.slice(0, 1), name, at: 5 });
    journal.project([fire(1, 0, 'a1'), fire(1, 1, 'b1'), row(1, 2)], 1);
    await journal.history({ kind: 'fire', limit: 10 });
    journal.project([fire(2, 0, 'a1'), fire(3, 0, 'a2'), fire(3, 1, 'a2')], 3);
    const kept = [fire(1, 1, 'b1'), fire(2, 0, 'a1'), fire(3, 1, 'a2')];
    expect(await journal.history({ kind: 'fire', limit: 10 })).toEqual(kept);
    const ofA = await journal.history({ kind: 'fire', schedule: 'a', limit: 10 });
    expect(ofA).toEqual(kept.slice(1));
    expect(await journal.history({ kind: 'event', limit: 10 })).toEqual([row(1, 2)]);
    await bench().crash();
    journal = await bench().open();
    journal.project([fire(1, 0, 'a1'), fire(2, 0, 'a1'), fire(3, 1, 'a2'), fire(4, 0, 'b1')], 4);
    const after = await journal.history({ kind: 'fire', limit: 10 });
    expect(after).toEqual([...kept.slice(1), fire(4, 0, 'b1')]);
  });

  test('a name belongs to the node that had it first', async () => {
    let journal = await bench().open();
    await appendMany(journal, 4);
    const run = (seq: number, node: string, name: string): HistoryRow =>
      row(seq, 0, { kind: 'run', run: name, name, node });
    const stored = (): Promise<HistoryRow[]> => journal.history({ kind: 'run', limit: 10 });
    journal.project([run(1, 'n1', 'r1'), run(2, 'n2', 'r1'), run(3, 'n2', 'r2')], 3);
    expect(await stored()).toEqual([run(1, 'n1', 'r1'), run(3, 'n2', 'r2')]);
    await bench().crash();
    journal = await bench().open();
    journal.project([run(2, 'n2', 'r1'), run(3, 'n2', 'r2'), run(4, 'n1', 'r1')], 4);
    expect(await stored()).toEqual([run(3, 'n2', 'r2'), run(4, 'n1', 'r1')]);
  });

  test('history is pruned by age and by count', async () => {
    const journal = await bench().open();
    await appendMany(journal, 1);
    const rows = Array.from({ length: 1_200 }, (_, n) => row(1, n, { at: n }));
    journal.project([...rows, row(1, 9_999, { kind: 'run', at: 1 })], 1);
    expect(await journal.pruneHistory({ kind: 'event', beforeUs: 100 })).toBe(100);
    expect(await journal.pruneHistory({ kind: 'event', beforeUs: 300, keep: 1_000 })).toBe(100);
    expect(await journal.pruneHistory({ kind: 'event', keep: 2_000 })).toBe(0);
    expect(await journal.pruneHistory({ kind: 'event', keep: 10 })).toBe(990);
    const left = await journal.history({ kind: 'event', limit: 1_000 });
    expect(left.map(({ at }) => at)).toEqual(rows.slice(-10).map(({ at }) => at));
    expect(await journal.history({ kind: 'run', limit: 10 })).toHaveLength(1);
    expect(await journal.pruneHistory({ kind: 'event', keep: 0 })).toBe(10);
  });

  test('after a crash replay makes exactly the rows that are missing', async () => {
    let journal = await bench().open();
    const project = (from: number, to: number): void => {
      for (let seq = from; seq <= to; seq += 1) journal.project([row(seq, 0), row(seq, 1)], seq);
    };
    await appendMany(journal, 10);
    project(1, 10);
    await journal.history({ kind: 'event', limit: 1 });
    await appendMany(journal, 10, 10);
    project(11, 20);
    await bench().crash();
    journal = await bench().open();
    expect(journal.projected).toBeGreaterThanOrEqual(10);
    expect(journal.projected).toBeLessThanOrEqual(journal.head.seq);
    expect(journal.head.seq).toBe(20);
    project(1, 20);
    const rows = await journal.history({ kind: 'event', limit: 1_000 });
    const expected = Array.from({ length: 40 }, (_, index) => row(1 + (index >> 1), index & 1));
    expect(rows).toEqual(expected);
  });

  test('rows given before a close are there after it', async () => {
    const journal = await bench().open();
    await appendMany(journal, 1);
    journal.project([row(1, 0)], 1);
    await journal[Symbol.asyncDispose]();
    const again = await bench().open();
    expect(again.projected).toBe(1);
    expect(await again.history({ kind: 'event', limit: 10 })).toEqual([row(1, 0)]);
  });
}

function snapshots(bench: () => Bench): void {
  test('11: the newest snapshot loads; a torn one falls back to the one before', async () => {
    let journal = await bench().open();
    expect(await journal.loadSnapshot()).toBeUndefined();
    const ats: number[] = [];
    for (const upTo of [10, 20, 30]) {
      await appendMany(journal, 10, upTo - 10);
      await journal.saveSnapshot(journal.head, slices(`state at ${upTo}`));
      ats.push(journal.head.seq);
    }
    await appendMany(journal, 5, 30);
    await bench().crash();
    journal = await bench().open();
    const newest = await journal.loadSnapshot();
    expect(newest?.at.seq).toBe(30);
    expect(newest && (await textOf(newest.body))).toBe('state at 30');
    await journal[Symbol.asyncDispose]();
    await bench().tearNewestSnapshot();
    journal = await bench().open();
    const fallback = await journal.loadSnapshot();
    expect(fallback?.at.seq).toBe(20);
    expect(fallback && (await textOf(fallback.body))).toBe('state at 20');
    const values = Array.from({ length: 15 }, (_, index) => 20 + index);
    expect(await readAll(journal, 20)).toEqual(values);
    await journal.saveSnapshot(journal.head, slices('state at 35'));
    expect(await readAll(journal, 20)).toEqual(values);
  });

  test('12: truncation disturbs neither who follows nor who reads', async () => {
    const journal = await bench().open();
    let applied = 0;
    const loop = (async () => {
      for await (const entries of journal.follow(0)) {
        for (const { seq } of entries) {
          expect(seq).toBe(applied + 1);
          applied = seq;
        }
      }
    })();
    for (let round = 0; round < 6; round += 1) {
      const more = appendMany(journal, 700, round * 700);
      if (round > 0) await journal.saveSnapshot({ ...journal.head }, slices(`round ${round}`));
      await journal.read(journal.head.seq - 1, 10);
      await more;
    }
    await journal.saveSnapshot(journal.head, slices('end'));
    expect(applied).toBe(4_200);
    const [oldest] = await journal.read(0, 1);
    expect(oldest?.seq).toBeGreaterThan(2_000);
    await journal[Symbol.asyncDispose]();
    await loop;
  });

  test('12: a follower from before the truncation is told, not given a gap', async () => {
    const journal = await bench().open();
    for (let round = 1; round <= 3; round += 1) {
      await appendMany(journal, 10);
      await journal.saveSnapshot(journal.head, slices(`round ${round}`));
    }
    const iterator = journal.follow(0)[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toEqual(flag('Truncated'));
  });
}

function badDays(bench: () => Bench): void {
  test('13: a full disk refuses, keeps the head, loses nothing and recovers by itself', async () => {
    const states: JournalState[] = [];
    const journal = await bench().open({ onState: (state) => states.push(state) });
    await appendMany(journal, 10);
    await bench().fill();
    let acked = 10;
    const untilRefused = async (): Promise<never> => {
      for (;;) {
        await journal.append([bytesOf('x'.repeat(100_000))]);
        acked += 1;
      }
    };
    await expect(untilRefused()).rejects.toEqual(flag('Full'));
    expect(journal.state()).toBe('full');
    expect(journal.head.seq).toBe(acked);
    await expect(journal.append([bytesOf('no')])).rejects.toEqual(flag('Full'));
    expect(await journal.append([bytesOf('urgent')], { urgent: true })).toEqual({
      ...{ first: acked + 1, last: acked + 1 },
    });
    await bench().free();
    await expect.poll(() => journal.state(), { timeout: 5_000 }).toBe('open');
    await journal.append([bytesOf('again')]);
    expect(states).toEqual(['full', 'open']);
    await bench().crash();
    const values = await readAll(await bench().open());
    expect(values.slice(-2)).toEqual(['urgent', 'again']);
    expect(values).toHaveLength(acked + 2);
  });

  test('15: an older copy put back is noticed, and goes on only as another history', async () => {
    let journal = await bench().open();
    await appendMany(journal, 5);
    await journal[Symbol.asyncDispose]();
    const putBack = await bench().keep();
    journal = await bench().open();
    await appendMany(journal, 5, 5);
    const { id } = journal;
    await journal[Symbol.asyncDispose]();
    await putBack();
    await expect(bench().open()).rejects.toEqual(flag('WentBack'));
    await expect(bench().open()).rejects.toEqual(flag('WentBack'));
    journal = await bench().open({ acceptLoss: true });
    expect(journal.id).not.toEqual(id);
    expect(await readAll(journal)).toEqual([0, 1, 2, 3, 4]);
    await journal.append([bytesOf('new')]);
    const head = journal.head;
    await journal[Symbol.asyncDispose]();
    journal = await bench().open();
    expect(journal.head).toEqual(head);
    expect(journal.id).not.toEqual(id);
  });

  test('15: a peer that has seen more stops all appends; another history does not concern it', async () => {
    const journal = await bench().open();
    await appendMany(journal, 5);
    expect(journal.seen(journal.id, 5)).toBe(false);
    expect(journal.seen(new Uint8Array(16).fill(7), 99)).toBe(false);
    expect(journal.state()).toBe('open');
    expect(journal.seen(journal.id, 6)).toBe(true);
    expect(journal.state()).toBe('went-back');
    await expect(journal.append([bytesOf(1)])).rejects.toEqual(flag('WentBack'));
    expect(await readAll(journal)).toHaveLength(5);
  });
}

type Step =
  | { readonly do: 'append'; readonly sizes: readonly number[] }
  | { readonly do: 'snapshot' }
  | { readonly do: 'crash' }
  | { readonly do: 'close' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const) }) },
);

function randomHistories(bench: () => Bench): void {
  test('random histories of append, snapshot, crash and reopen agree with an array', async () => {
    const model: number[] = [];
    let journal = await bench().open();
    const replayed = async (): Promise<number[]> => {
      const snapshot = await journal.loadSnapshot();
      const before = snapshot ? (JSON.parse(await textOf(snapshot.body)) as number[]) : [];
      return [...before, ...((await readAll(journal, snapshot?.at.seq ?? 0)) as number[])];
    };
    const run = async (steps: readonly Step[]): Promise<void> => {
      for (const each of steps) {
        if (each.do === 'append') {
          const all: Promise<unknown>[] = [];
          for (const size of each.sizes) {
            const values = Array.from({ length: size }, (_, index) => model.length + index);
            model.push(...values);
            all.push(journal.append(values.map(bytesOf)));
          }
          await Promise.all(all);
        } else if (each.do === 'snapshot' && journal.head.seq > 0) {
          await journal.saveSnapshot(journal.head, slices(JSON.stringify(model)));
        } else if (each.do === 'crash' || each.do === 'close') {
          if (each.do === 'crash') await bench().crash();
          else await journal[Symbol.asyncDispose]();
          journal = await bench().open();
          expect(journal.head.seq).toBe(model.length);
          expect(await replayed()).toEqual(model);
        }
      }
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), run), {
      numRuns: 25,
      // What one run leaves is where the next begins: a shrunk run would begin elsewhere.
      endOnFailure: true,
    });
  });
}
