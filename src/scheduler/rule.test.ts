import { describe, expect, test } from 'vitest';
import { formatInstant } from '../base/clock.ts';
import type { LotcError } from '../base/errors.ts';
import { Prng } from '../base/prng.ts';
import { cronFacts } from './cron.ts';
import { checkRule, instants, nextInstant, type Rule, splayOf, withoutCount } from './rule.ts';

const us = (text: string): number => Date.parse(text) * 1_000;
const sinceUs = us('2026-01-24T12:00:00Z');
const show = (list: readonly number[]): string[] =>
  list.map((at) => formatInstant(at).replace(/:00\.000000Z$/u, 'Z'));
const next = (rule: Partial<Rule>, n = 4): string[] =>
  show(instants({ sinceUs, ...rule }, sinceUs, n));

describe('instants', () => {
  test('at: once', () => {
    const at = us('2026-02-01T00:00:00Z');
    expect(next({ at })).toEqual(['2026-02-01T00:00Z']);
    expect(nextInstant({ at, sinceUs }, at)).toBeUndefined();
  });

  test('every: from + n × DUR, n ≥ 1, never before it was accepted', () => {
    const everyUs = 60_000_000;
    expect(next({ everyUs }, 2)).toEqual(['2026-01-24T12:01Z', '2026-01-24T12:02Z']);
    const fromUs = us('2026-01-24T11:59:30Z');
    expect(next({ everyUs, fromUs }, 1)).toEqual(['2026-01-24T12:00:30.000000Z']);
    const later = us('2026-01-25T00:00:00Z');
    expect(next({ everyUs, fromUs: later }, 1)).toEqual(['2026-01-25T00:01Z']);
    expect(nextInstant({ everyUs, sinceUs }, 0)).toBe(sinceUs + everyUs);
  });

  test('until and count end it; count counts from the acceptance on', () => {
    const everyUs = 60_000_000;
    expect(next({ everyUs, untilUs: sinceUs + 2 * everyUs })).toHaveLength(2);
    const counted = { everyUs, count: 3, sinceUs };
    expect(instants(counted, sinceUs + everyUs, 9)).toHaveLength(2);
    expect(withoutCount(counted)).toEqual({ everyUs, sinceUs, untilUs: sinceUs + 3 * everyUs });
    const cron = { cron: '0 0 * * *', count: 2, sinceUs };
    expect(show(instants(cron, us('2026-01-25T00:00:00Z'), 9))).toEqual(['2026-01-26T00:00Z']);
    expect(instants({ ...cron, untilUs: us('2026-01-25T12:00:00Z') }, sinceUs, 9)).toHaveLength(1);
  });

  test.each([
    ['0 0 L * *', '2026-01-31T00:00Z', '2026-02-28T00:00Z'],
    ['0 0 * * MON#2', '2026-02-09T00:00Z', '2026-03-09T00:00Z'],
    ['0 0 * * FRI#L', '2026-01-30T00:00Z', '2026-02-27T00:00Z'],
    ['*/20 8-10 * JAN SAT', '2026-01-31T08:00Z', '2026-01-31T08:20Z'],
    ['0 0 29 FEB *', '2028-02-29T00:00Z', '2032-02-29T00:00Z'],
    ['30 0 0 1 1 *', '2027-01-01T00:00:30.000000Z', '2028-01-01T00:00:30.000000Z'],
    ['@hourly', '2026-01-24T13:00Z', '2026-01-24T14:00Z'],
  ])('cron %s', (cron, first, second) => {
    expect(next({ cron }, 2)).toEqual([first, second]);
  });

  test('five fields and six are told apart; a rule of every second is known', () => {
    expect(cronFacts('* * * * *')).toEqual({ fields: 5, everySecond: false });
    expect(cronFacts('* * * * * *')).toEqual({ fields: 6, everySecond: true });
    expect(cronFacts('0 * * * * *')).toEqual({ fields: 6, everySecond: false });
  });

  test('the zone is UTC, a named one, or the one of the node', () => {
    const cron = '30 2 * * *';
    expect(next({ cron }, 1)).toEqual(['2026-01-25T02:30Z']);
    expect(next({ cron, tz: 'Asia/Tokyo' }, 1)).toEqual(['2026-01-24T17:30Z']);
    const local = { cron, tz: 'local', sinceUs };
    expect(show(instants(local, sinceUs, 1, 'America/New_York'))).toEqual(['2026-01-25T07:30Z']);
  });
});

describe('checkRule', () => {
  const code = (rule: Partial<Rule>, mayBePast = false): string => {
    try {
      checkRule({ sinceUs, ...rule }, { mayBePast });
      return 'accepted';
    } catch (error) {
      return (error as LotcError).code;
    }
  };

  test.each<[string, Partial<Rule>]>([
    ['usage', {}],
    ['usage', { at: sinceUs + 1, everyUs: 1_000_000 }],
    ['usage', { everyUs: 99_999 }],
    ['accepted', { everyUs: 100_000 }],
    ['usage', { everyUs: 100_000, count: 0 }],
    ['usage', { everyUs: 100_000, tz: 'UTC' }],
    ['usage', { cron: '* * * * *', fromUs: 0 }],
    ['usage', { cron: '* * * * *', tz: 'Europe/Atlantis' }],
    ['accepted', { cron: '* * * * *', tz: 'Europe/Warsaw' }],
    ['accepted', { cron: '* * * * *', tz: 'local' }],
    ['usage', { cron: '61 * * * *' }],
    ['usage', { cron: '* * * *' }],
    ['usage', { cron: '0 0 0 1 1 * 2030' }],
    ['usage', { cron: '2027-01-01T00:00:00' }],
    ['usage', { cron: '* * * * *', count: 10_001 }],
    ['never-comes', { cron: '0 0 30 2 *' }],
    ['never-comes', { cron: '0 0 1 3 *', untilUs: sinceUs + 1 }],
    ['never-comes', { everyUs: 1_000_000, untilUs: sinceUs }],
    ['expired', { at: sinceUs }],
    ['accepted', { at: sinceUs + 1 }],
  ])('%s: %j', (expected, rule) => {
    expect(code(rule)).toBe(expected);
  });

  test('an instant in the past is accepted with --missed once', () => {
    expect(code({ at: sinceUs - 1 }, true)).toBe('accepted');
  });
});

test('a splay is the same at each question, and even among nodes', () => {
  const splayUs = 60_000_000;
  const shares = Array.from({ length: 1_000 }, (_, n) => splayOf('nightly', `n${n}`, splayUs));
  expect(shares).toEqual(shares.map((_, n) => splayOf('nightly', `n${n}`, splayUs)));
  const tenths = new Set(shares.map((share) => Math.floor(share / (splayUs / 10))));
  expect(tenths.size).toBe(10);
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inside = shares.filter((share) => Math.floor(share / (splayUs / 10)) === tenth);
    expect(inside.length).toBeGreaterThan(60);
  }
  expect(splayOf('nightly', 'n1', 0)).toBe(0);
});

/**
 * The same question answered another way: every minute of true time is asked what a clock on the
 * wall of the zone shows, and a matcher of its own compares. No stretch, no croner, no arithmetic
 * of offsets.
 */
describe('summer time, over every change of ten zones in ten years', () => {
  const MINUTE = 60_000;
  const zones = [
    ...['Europe/Warsaw', 'America/New_York', 'America/St_Johns', 'Australia/Lord_Howe'],
    ...['Asia/Tehran', 'Africa/Casablanca', 'America/Santiago', 'Pacific/Auckland'],
    ...['Europe/London', 'Africa/Cairo'],
  ];

  interface Simple {
    readonly cron: string;
    readonly minutes: readonly number[];
    /** Undefined: every hour. */
    readonly hours?: readonly number[] | undefined;
  }

  const range = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  const rules: readonly Simple[] = [
    { cron: '*/13 * * * *', minutes: [0, 13, 26, 39, 52] },
    { cron: '*/20 * * * *', minutes: [0, 20, 40] },
    { cron: '30 * * * *', minutes: [30] },
    { cron: '30 2 * * *', minutes: [30], hours: [2] },
    { cron: '15,45 1-3 * * *', minutes: [15, 45], hours: [1, 2, 3] },
    { cron: '0 0 * * *', minutes: [0], hours: [0] },
    { cron: '0 */2 * * *', minutes: [0], hours: range(0, 11).map((half) => half * 2) },
    {
      cron: '*/7 0-4,23 * * *',
      minutes: range(0, 8).map((n) => n * 7),
      hours: [0, 1, 2, 3, 4, 23],
    },
  ];

  function changes(zone: string): number[] {
    const found: number[] = [];
    let at = Temporal.Instant.from('2020-01-01T00:00Z').toZonedDateTimeISO(zone);
    for (;;) {
      const next = at.getTimeZoneTransition('next');
      if (!next || next.epochMilliseconds >= Date.parse('2030-01-01T00:00Z')) return found;
      found.push(next.epochMilliseconds);
      at = next;
    }
  }

  const DAY_MINUTES = 24 * 60;

  function walls(zone: string, changeMs: number): { at: number; wall: number }[] {
    const minutes = range(-30 * 60, 30 * 60);
    return minutes.map((minute) => {
      const at = changeMs + minute * MINUTE;
      const shown = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
      const days = Date.UTC(shown.year, shown.month - 1, shown.day) / 86_400_000;
      return { at, wall: days * DAY_MINUTES + shown.hour * 60 + shown.minute };
    });
  }

  function expected(rule: Simple, shown: readonly { at: number; wall: number }[]): number[] {
    const matches = (wall: number): boolean =>
      rule.minutes.includes(wall % 60) &&
      (rule.hours?.includes(Math.floor((wall % DAY_MINUTES) / 60)) ?? true);
    const found = new Set<number>();
    let highest = -Infinity;
    for (const { at, wall } of shown) {
      if (!rule.hours) {
        if (matches(wall)) found.add(at);
        continue;
      }
      // Readings that are new: more than one where the clock jumped over some.
      const from = highest === -Infinity ? wall : highest + 1;
      for (let reading = from; reading <= wall; reading += 1) if (matches(reading)) found.add(at);
      highest = Math.max(highest, wall);
    }
    return [...found];
  }

  test.each(zones)('%s', (zone) => {
    const all = changes(zone);
    expect(all.length).toBeGreaterThanOrEqual(2);
    const prng = new Prng(all.length);
    for (const changeMs of all) {
      const shown = walls(zone, changeMs);
      const last = (shown.at(-1)?.at ?? 0) * 1_000;
      for (const rule of rules) {
        // The first readings of the stretch cannot know what was before them.
        const from = (shown[0]?.at ?? 0) * 1_000 + prng.int(0, 59_999_999);
        const right = expected(rule, shown).map((at) => at * 1_000);
        const here = { cron: rule.cron, tz: zone, sinceUs: from, untilUs: last };
        const found = instants(here, from, 5_000);
        expect({ rule: rule.cron, changeMs, found: show(found) }).toEqual({
          ...{ rule: rule.cron, changeMs },
          found: show(right.filter((at) => at > from)),
        });
      }
    }
  });
});
