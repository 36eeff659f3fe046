import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../base/limits.ts';
import { encodeShape } from '../../net/codec.ts';
import type { Shape } from '../../net/layout.ts';
import { cursorAt, type HookCursor, type HookEvent, HookPump, knownCursor } from './hook-pump.ts';
import { parseHooks } from './hook-rule.ts';
import type { HistoryRow } from './ports.ts';

const [rule] = parseHooks(['failed,node-*,hook-failed=/x']);
if (!rule) throw new Error('no rule');

/** A journal's events, a clock that is turned by hand, and a hook that fails when it is told to. */
class World {
  readonly rows: HistoryRow[] = [];
  readonly told: string[] = [];
  readonly said: string[] = [];
  timers: { atMs: number; act: () => void }[] = [];
  later: (() => void)[] = [];
  disk: HookCursor = cursorAt(0);
  ms = 0;
  isDead = false;
  pump: HookPump | undefined;
  /** Pumps of servers that are gone are not heard any more. */
  #life = 0;

  begin(giveUpMs = 60_000): void {
    this.#life += 1;
    const life = this.#life;
    this.timers = [];
    this.later = [];
    const mine = (then: () => void) => () => {
      if (life === this.#life) then();
    };
    this.pump = new HookPump(
      { rule: rule as NonNullable<typeof rule>, cursor: this.disk, giveUpMs },
      {
        monotonicMs: () => this.ms,
        later: (ms, then) => this.timers.push({ atMs: this.ms + ms, act: mine(then) }),
        history: (after, then) => {
          // The rows of one record are never cut apart.
          const most = this.rows.filter(({ seq }) => seq > after)[9]?.seq ?? Infinity;
          const rows = this.rows.filter(({ seq }) => seq > after && seq <= most);
          this.later.push(mine(() => then(rows)));
        },
        deliver: (entry, done) => this.later.push(mine(() => this.#deliver(entry, done))),
        save: (cursor) => {
          this.disk = cursor;
        },
        tell: (kind, text) => this.said.push(`${kind}: ${text}`),
        log: () => undefined,
      },
    );
    this.pump.start();
  }

  #deliver({ event: { seq }, n }: HookEvent, done: (fault: string | undefined) => void): void {
    if (this.isDead) return done('it is dead');
    this.told.push(`${seq}.${n}`);
    return done(undefined);
  }

  /** One record with these events. */
  happen(...kinds: string[]): void {
    const seq = (this.rows.at(-1)?.seq ?? 0) + 1;
    const events = kinds.map((eventKind): Shape<'event'> => ({ seq, at: 1, eventKind, text: '' }));
    // As in the server: whoever listens hears of it before the rows are there.
    this.pump?.offer(events, seq);
    events.forEach((event, at) =>
      this.rows.push({
        ...{ seq, n: at + 1, kind: 'event', at: 1 },
        body: encodeShape('event', event),
      }),
    );
  }

  settle(): void {
    while (this.later.length > 0) this.later.shift()?.();
  }

  pass(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      this.settle();
      const [first] = this.timers.toSorted((a, b) => a.atMs - b.atMs);
      if (!first || first.atMs > end) break;
      this.timers = this.timers.filter((timer) => timer !== first);
      this.ms = first.atMs;
      first.act();
    }
    this.ms = end;
  }
}

test('events it takes are told once and in order, the others are not', () => {
  const world = new World();
  world.begin();
  world.settle();
  world.happen('node-online', 'task-created', 'node-labelled');
  world.happen('task-changed');
  world.happen('bundle-failed');
  world.settle();
  expect(world.told).toEqual(['1.1', '1.3', '3.1']);
  world.happen('task-removed');
  expect(world.pump?.cursor).toMatchObject({ seq: 4 });
});

test('what came while the server was away, or more than is held, is read from the history', () => {
  const world = new World();
  world.begin();
  world.settle();
  for (let n = 0; n < limits.hookQueue + 50; n += 1) world.happen('node-online');
  world.settle();
  expect(world.told).toHaveLength(limits.hookQueue + 50);
  expect(new Set(world.told).size).toBe(world.told.length);
  world.pump = undefined;
  world.happen('node-offline');
  world.happen('task-created');
  world.begin();
  world.happen('node-online');
  world.settle();
  const at = limits.hookQueue + 50;
  expect(world.told.slice(at)).toEqual([`${at + 1}.1`, `${at + 3}.1`]);
});

test('what fails is tried again later and later, then given up, and said once', () => {
  const world = new World();
  world.isDead = true;
  world.begin();
  world.settle();
  world.happen('node-offline');
  world.happen('node-online');
  world.pass(30_000);
  expect(world.said).toEqual([]);
  world.pass(20_000);
  expect(world.said).toEqual(['hook-failed: hook /x was given up on event 1: it is dead']);
  world.pass(600_000);
  expect(world.said).toHaveLength(1);
  expect(world.disk).toMatchObject({ seq: 2, dropped: 2 });
  world.isDead = false;
  world.happen('node-online');
  world.pass(60_000);
  expect(world.told).toEqual(['3.1']);
  expect(world.said.at(-1)).toBe(
    'hook-recovered: hook /x works again; events it was not told of: 2',
  );
  expect(world.disk.dropped).toBe(0);
});

test('one that comes back in time has lost nothing', () => {
  const world = new World();
  world.isDead = true;
  world.begin();
  world.settle();
  world.happen('node-offline');
  world.happen('node-online');
  world.pass(10_000);
  world.isDead = false;
  world.pass(30_000);
  expect([world.told, world.said]).toEqual([['1.1', '2.1'], []]);
});

test('crashes anywhere: every event is told at least once, in order, and never lost', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('happen' as const), n: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('away' as const), n: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ do: fc.constant('turn' as const), n: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ do: fc.constant('crash' as const), n: fc.constant(0) }),
    fc.record({ do: fc.constant('dead' as const), n: fc.integer({ min: 0, max: 1 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      world.begin(1e9);
      for (const { do: what, n } of steps) {
        if (what === 'happen') {
          world.happen(
            ...Array.from({ length: n }, (_, at) => (at === 1 ? 'task-created' : 'node-online')),
          );
        } else if (what === 'turn') {
          for (let turn = 0; turn < n; turn += 1) world.later.shift()?.();
          world.ms += 100;
        } else if (what === 'dead') world.isDead = n === 1;
        else if (what === 'crash') world.begin(1e9);
        else {
          world.pump = undefined;
          for (let i = 0; i < n; i += 1) world.happen('node-online');
          world.begin(1e9);
        }
      }
      world.isDead = false;
      world.pass(3_600_000);
      const wanted = world.rows.filter(({ n }) => n !== 2).map(({ seq, n }) => `${seq}.${n}`);
      const first = [...new Set(world.told)];
      expect(first).toEqual(wanted);
      expect(world.said).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('a cursor of another journal does not wait for its numbers', () => {
  expect(knownCursor({ seq: 7, n: 1, dropped: 2 }, 9)).toEqual({ seq: 7, n: 1, dropped: 2 });
  expect(knownCursor({ seq: 70, n: 1, dropped: 2 }, 9)).toMatchObject({ seq: 9, dropped: 2 });
  for (const broken of [{}, null, 'x', { seq: -1, n: 0, dropped: 0 }, { seq: 1.5, n: 0 }]) {
    expect(knownCursor(broken, 9)).toBeUndefined();
  }
});
