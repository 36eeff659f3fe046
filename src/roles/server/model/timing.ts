/**
 * From what an admin asked (`timing`) to the rule of a plan. Only what needs no calendar is judged
 * here, for the model must say the same in every replay, also with newer tables of zones: whether
 * a cron rule can be read, and whether it ever comes, was looked at before the command was made.
 */
import { canonicalText } from '../../../base/canonical.ts';
import { formatInstant } from '../../../base/clock.ts';
import { formatDurationMs, roughDurationMs } from '../../../base/duration.ts';
import { isScheduleId } from '../../../base/ids.ts';
import { limits } from '../../../base/limits.ts';
import { nameFault } from '../../../base/names.ts';
import type { Shape } from '../../../net/layout.ts';
import { Refusal } from './change.ts';

export type Timing = Shape<'timing'>;
export type Plan = Shape<'schedule'>;

const missedRules: readonly string[] = ['skip', 'once', 'all'];
const overlapRules: readonly string[] = ['forbid', 'queue', 'replace', 'allow'];

const usage = (text: string, hint?: string): Refusal => new Refusal('usage', text, hint);

/** Throws `Refusal` where no calendar is needed to see that it is none. */
export function checkTiming(timing: Timing): void {
  const { at, inUs, everyUs, fromUs, cron, tz, count, splayUs, missed, overlap, schedule } = timing;
  const rules = [at, inUs, everyUs, cron].filter((rule) => rule !== undefined).length;
  if (rules !== 1) throw usage('a schedule has one of --at, --in, --every and --cron');
  if (fromUs !== undefined && everyUs === undefined) throw usage('--from goes with --every');
  if (tz !== undefined && cron === undefined) throw usage('--tz goes with --cron');
  if (everyUs !== undefined && everyUs < limits.scheduleEveryUs) {
    const least = formatDurationMs(limits.scheduleEveryUs / 1000);
    const hint = 'each firing is claimed on disk before it happens; let the program itself repeat';
    throw usage(`--every ${formatDurationMs(everyUs / 1000)} is below ${least}`, hint);
  }
  if (count === 0) throw usage('--count 0 fires never; leave it out to fire for ever');
  if (splayUs !== undefined && everyUs !== undefined && splayUs >= everyUs) {
    throw usage(`--splay ${formatDurationMs(splayUs / 1000)} is not less than the interval`);
  }
  if (missed !== undefined && !missedRules.includes(missed)) {
    throw usage(`--missed "${missed}" is none of ${missedRules.join(', ')}`);
  }
  if (overlap !== undefined && !overlapRules.includes(overlap)) {
    throw usage(`--overlap "${overlap}" is none of ${overlapRules.join(', ')}`);
  }
  const fault = schedule === undefined || isScheduleId(schedule) ? undefined : nameFault(schedule);
  if (fault !== undefined) throw usage(`"${schedule}" is no name of a schedule: ${fault}`);
}

/** The rule with its defaults, as it is when accepted at `acceptedUs` (true time). */
export function ruleOf(timing: Timing, acceptedUs: number): Omit<Plan, 'schedule' | 'action'> {
  checkTiming(timing);
  const { inUs, everyUs, cron, untilUs, count, maxClockErrorUs, splayUs } = timing;
  const { missed = 'skip', overlap = 'forbid' } = timing;
  const at = inUs === undefined ? timing.at : acceptedUs + inUs;
  const fromUs = everyUs === undefined ? undefined : (timing.fromUs ?? acceptedUs);
  const tz = cron === undefined ? undefined : (timing.tz ?? 'UTC');
  if (at !== undefined && at <= acceptedUs && missed !== 'once') {
    const late = roughDurationMs((acceptedUs - at) / 1000);
    const text = `--at ${formatInstant(at)} is past by ${late}`;
    const hint = 'choose a later one; with --missed once it is fired at once';
    throw new Refusal('expired', text, hint);
  }
  const end = untilUs ?? Infinity;
  if (end <= acceptedUs || (at !== undefined && at > end)) throw never();
  return {
    ...{ at, everyUs, fromUs, cron, tz, untilUs, count, maxClockErrorUs, splayUs },
    ...{ missed, overlap, sinceUs: acceptedUs, revision: 1 },
  };
}

function never(): Refusal {
  const hint = 'look at its --until';
  return new Refusal('never-comes', 'the schedule would never fire: no instant is left', hint);
}

const unasked = ['schedule', 'sinceUs', 'revision', 'who'] as const;

/** Whether two plans ask for the same, whenever each of them was asked for. */
export function samePlan(a: Plan, b: Plan): boolean {
  return contentOf(a) === contentOf(b);
}

function contentOf(plan: Plan): string {
  const asked: Record<string, unknown> = { ...plan };
  for (const field of unasked) delete asked[field];
  // Without --from the interval begins where it was accepted.
  if (plan.fromUs === plan.sinceUs) delete asked['fromUs'];
  return canonicalText(asked);
}

/** The last instant is known to be past without a calendar. */
export function isSpent(plan: Plan, nowUs: number): boolean {
  const { at, everyUs, fromUs = 0, count, untilUs, sinceUs } = plan;
  if (at !== undefined) return at < nowUs;
  if (untilUs !== undefined && untilUs < nowUs) return true;
  if (everyUs === undefined || count === undefined) return false;
  const first = Math.max(1, Math.floor((sinceUs - fromUs) / everyUs) + 1);
  return fromUs + (first + count - 1) * everyUs < nowUs;
}
