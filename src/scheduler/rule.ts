/**
 * When a schedule fires: its rule, and the instants that follow from it. Instants are true time
 * in µs since 1970; a rule is data that travels, is stored and is judged alike by server and node.
 *
 * `count` counts instants after the schedule was accepted (`sinceUs`), the same on every node;
 * `untilUs` is the last instant allowed. An `at` before `sinceUs` is an instant that was missed.
 * It refuses to know the present: `checkRule` is handed it. Source: CLI contract, "Schedule flags".
 */
import { formatInstant } from '../base/clock.ts';
import { formatDurationMs } from '../base/duration.ts';
import { LotcError, usage } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { cronFacts, nextCron } from './cron.ts';
import { isZone } from './zone.ts';

export interface Rule {
  /** One instant. */
  readonly at?: number | undefined;
  /** `fromUs` + n × `everyUs`, n ≥ 1; from `sinceUs` where `fromUs` is absent. */
  readonly everyUs?: number | undefined;
  readonly fromUs?: number | undefined;
  /** In zone `tz`: UTC where it is absent, the node's own where it is `local`. */
  readonly cron?: string | undefined;
  readonly tz?: string | undefined;
  /** When the schedule was accepted, in true time. */
  readonly sinceUs: number;
  readonly untilUs?: number | undefined;
  readonly count?: number | undefined;
}

const UTC = 'UTC';

/** The first instant after `afterUs`; `local` is the zone of the node it is for. */
export function nextInstant(rule: Rule, afterUs: number, local = UTC): number | undefined {
  const next = ofRule(rule, afterUs, local);
  if (next === undefined || next > (rule.untilUs ?? Infinity)) return undefined;
  if (rule.count === undefined || rule.at !== undefined) return next;
  return next > (lastInstant(rule, local) ?? Infinity) ? undefined : next;
}

/** At most `n` instants after `afterUs`. */
export function instants(rule: Rule, afterUs: number, n: number, local = UTC): number[] {
  const found: number[] = [];
  const ending = withoutCount(rule, local);
  for (let after = afterUs; found.length < n; ) {
    const next = nextInstant(ending, after, local);
    if (next === undefined) break;
    found.push(next);
    after = next;
  }
  return found;
}

/**
 * The same rule with `count` turned into `untilUs`, which costs nothing at each question. For a
 * cron rule with a large count this takes a while; do it once.
 */
export function withoutCount(rule: Rule, local = UTC): Rule {
  if (rule.count === undefined) return rule;
  const { count: _, ...rest } = rule;
  const last = rule.at ?? lastInstant(rule, local);
  if (last === undefined) return rest;
  return { ...rest, untilUs: Math.min(last, rule.untilUs ?? Infinity) };
}

/** The instant number `count`; undefined where the rule ends before it. */
function lastInstant(rule: Rule, local: string): number | undefined {
  const { count = Infinity, everyUs, sinceUs } = rule;
  if (everyUs !== undefined) {
    const first = nextEvery(rule, sinceUs);
    return first + (count - 1) * everyUs;
  }
  let at: number | undefined = sinceUs;
  for (let n = 0; n < count && at !== undefined; n += 1) at = ofRule(rule, at, local);
  return at;
}

function ofRule(rule: Rule, afterUs: number, local: string): number | undefined {
  const { at, cron, everyUs, sinceUs } = rule;
  if (at !== undefined) return at > afterUs ? at : undefined;
  const after = Math.max(afterUs, sinceUs);
  if (everyUs !== undefined) return nextEvery(rule, after);
  return cron === undefined ? undefined : nextCron(cron, zoneOf(rule, local), after);
}

function nextEvery({ everyUs = 1, fromUs, sinceUs }: Rule, afterUs: number): number {
  const from = fromUs ?? sinceUs;
  const n = Math.max(1, Math.floor((afterUs - from) / everyUs) + 1);
  return from + n * everyUs;
}

function zoneOf({ tz = UTC }: Rule, local: string): string {
  return tz === 'local' ? local : tz;
}

export interface RuleCheck {
  /** `--missed once`: an `at` in the past is fired once, now. */
  readonly mayBePast?: boolean | undefined;
}

/**
 * Whether the rule can be accepted at `sinceUs`. Throws a usage error for one that means nothing,
 * and refuses one that would never fire.
 */
export function checkRule(rule: Rule, { mayBePast = false }: RuleCheck = {}): void {
  checkForm(rule);
  const { at, count, everyUs, sinceUs } = rule;
  if (count !== undefined && (count < 1 || !Number.isSafeInteger(count))) {
    throw usage('--count: a schedule has at least one instant', 'leave --count out for no end');
  }
  if (rule.cron !== undefined && (count ?? 0) > limits.cronCount) {
    const hint = 'say with --until when it shall end';
    throw usage(`--count: at most ${limits.cronCount} for a cron rule`, hint);
  }
  if (everyUs !== undefined && everyUs < limits.scheduleEveryUs) {
    const least = formatDurationMs(limits.scheduleEveryUs / 1_000);
    const text = `--every: below ${least} a node would do little else than start processes`;
    throw usage(text, `ask for ${least} or more`);
  }
  if (at !== undefined && at <= sinceUs) {
    if (mayBePast) return;
    const text = `--at: ${formatInstant(at)} has passed; it is ${formatInstant(sinceUs)}`;
    throw new LotcError('expired', text, { hint: '--missed once fires it at once' });
  }
  if (nextInstant({ ...rule, count: undefined }, sinceUs) === undefined) {
    throw new LotcError('never-comes', 'the schedule would never fire: no instant is left', {
      hint: 'lotc admin schedule next shows the instants of a rule; look at its date and --until',
    });
  }
}

function checkForm(rule: Rule): void {
  const { at, cron, everyUs, tz } = rule;
  if ([at, cron, everyUs].filter((one) => one !== undefined).length !== 1) {
    const text = 'a schedule has one of --at, --in, --every and --cron';
    throw usage(text, 'give exactly one of them');
  }
  if (tz !== undefined && cron === undefined) {
    throw usage('--tz: only a cron rule has a time zone', 'give it with --cron');
  }
  if (rule.fromUs !== undefined && everyUs === undefined) {
    throw usage('--from: only --every counts from an instant', 'give it with --every');
  }
  if (tz !== undefined && tz !== 'local' && !isZone(tz)) {
    throw usage(`--tz: "${tz}" is no time zone known here`, 'for instance Europe/Warsaw, or local');
  }
  if (cron !== undefined) cronFacts(cron);
}

/**
 * The node's share of a splay: always the same for one schedule and node, spread evenly over
 * [0, `splayUs`) among the nodes. FNV-1a over both names, mixed (MurmurHash3's finalizer).
 */
export function splayOf(schedule: string, node: string, splayUs: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${schedule}\0${node}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return Math.floor((hash / 0x1_0000_0000) * splayUs);
}
