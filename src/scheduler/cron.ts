/**
 * Cron rules in a time zone. The pattern is read by croner (Open Cron Pattern Specification:
 * 5 fields, or 6 with seconds first; names, ranges, steps, L, #), which is asked about the wall
 * clock alone; what a change of the zone's offset means is decided here, once for all zones:
 *
 * - A rule whose hour is `*` means "every so often": it fires at every matching reading of the
 *   clock, twice in an hour that comes twice, not in one that never comes.
 * - A rule that names its hours means times of the day, each once a day: in an hour that comes
 *   twice the first counts; times in an hour that is left out come, as one firing, at the instant
 *   the clock jumps over them.
 *
 * It knows neither nodes nor schedules. Day of month and day of week, both given, are
 * alternatives, as in every cron; `+` before the day of week asks for both.
 */
import { Cron } from 'croner';
import { LotcError } from '../base/errors.ts';
import { stretchAt } from './zone.ts';

const PATTERNS_KEPT = 1_024;
const patterns = new Map<string, Cron>();

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

export interface CronFacts {
  /** 6: the first field is the second. */
  readonly fields: 5 | 6;
  /** Fires every second: hardly ever what somebody means. */
  readonly everySecond: boolean;
}

/** Reads a rule, or throws a usage error that says what is wrong with it. */
export function cronFacts(cron: string): CronFacts {
  const parts = partsOf(cron);
  patternOf(cron);
  return {
    fields: parts.length as 5 | 6,
    everySecond: parts.length === 6 && parts.slice(0, 3).every((part) => EVERY.test(part)),
  };
}

const EVERY = /^(\*|\?)(\/1)?$/;
const EVERY_HOUR = /^((\*|\?)(\/1)?|0?0-23(\/1)?)$/;

/** The first instant after `afterUs`; undefined when none comes any more. */
export function nextCron(cron: string, zone: string, afterUs: number): number | undefined {
  const pattern = patternOf(cron);
  const parts = partsOf(cron);
  const named = !EVERY_HOUR.test(parts[parts.length - 4] ?? '');
  return named ? nextNamed(pattern, zone, afterUs) : nextOften(pattern, zone, afterUs);
}

/** Every matching reading of the wall clock, as often as it comes. */
function nextOften(pattern: Cron, zone: string, afterUs: number): number | undefined {
  let after = afterUs;
  for (;;) {
    const { offsetUs, toUs } = stretchAt(zone, after);
    const wall = nextWall(pattern, after + offsetUs);
    if (wall === undefined) return undefined;
    if (wall - offsetUs < toUs) return wall - offsetUs;
    // The first reading of the next stretch counts, whatever it is.
    const next = stretchAt(zone, toUs);
    const first = nextWall(pattern, toUs + next.offsetUs - 1);
    if (first === undefined) return undefined;
    if (first - next.offsetUs < next.toUs) return first - next.offsetUs;
    after = next.toUs - 1;
  }
}

/** Every matching reading once: `instantOf` never goes back as the reading goes on. */
function nextNamed(pattern: Cron, zone: string, afterUs: number): number | undefined {
  const { offsetUs, fromUs, beforeUs } = stretchAt(zone, afterUs);
  // Readings that came in the stretch before are done, also where the clock was put back.
  const done = Math.max(afterUs + offsetUs, fromUs + beforeUs - 1);
  const wall = nextWall(pattern, done);
  return wall === undefined ? undefined : instantOf(wall, zone, afterUs);
}

function instantOf(wallUs: number, zone: string, notBeforeUs: number): number {
  let stretch = stretchAt(zone, notBeforeUs);
  for (;;) {
    const at = wallUs - stretch.offsetUs;
    if (at < stretch.fromUs) return stretch.fromUs;
    if (at < stretch.toUs) return at;
    stretch = stretchAt(zone, guessFrom(stretch.toUs, at));
  }
}

/** A rule may come once in years: stretches in between are jumped over, but never the last. */
function guessFrom(nextUs: number, atUs: number): number {
  const DAY_US = 86_400_000_000;
  return Math.max(nextUs, atUs - 2 * DAY_US);
}

function nextWall(pattern: Cron, afterUs: number): number | undefined {
  const next = pattern.nextRun(new Date(Math.floor(afterUs / 1_000)));
  return next ? next.getTime() * 1_000 : undefined;
}

function partsOf(cron: string): string[] {
  const text = cron.trim();
  const parts = (nicknames[text.toLowerCase()] ?? text).split(/\s+/u);
  if (parts.length !== 5 && parts.length !== 6) {
    throw new LotcError('usage', `"${cron}" is no cron rule: it has ${parts.length} fields`, {
      hint: 'write 5 fields (minute hour day month weekday), or 6 with the second first',
    });
  }
  return parts;
}

function patternOf(cron: string): Cron {
  const known = patterns.get(cron);
  if (known) return known;
  const parts = partsOf(cron);
  let pattern: Cron;
  try {
    pattern = new Cron(parts.join(' '), { utcOffset: 0, paused: true });
  } catch (error) {
    const reason = (error as Error).message.replace(/^CronPattern: /u, '');
    throw new LotcError('usage', `"${cron}" is no cron rule: ${reason}`, {
      hint: 'for instance "30 2 * * *": at 02:30 every day',
    });
  }
  if (patterns.size >= PATTERNS_KEPT) patterns.clear();
  patterns.set(cron, pattern);
  return pattern;
}
