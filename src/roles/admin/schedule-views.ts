/** Views (views.ts) of schedules, firings and their figures. Pure. */
import { formatInstant } from '../../base/clock.ts';
import { formatDurationMs } from '../../base/duration.ts';
import type { Shape } from '../../net/layout.ts';
import { ms, orNull, second, text, time, type View } from './cells.ts';
import { jsonOf, put } from './fields.ts';
import { timingFields } from './timing-fields.ts';

type Schedule = Shape<'schedule'>;

const duration = (us: number | undefined): string | undefined =>
  us === undefined ? undefined : formatDurationMs(us / 1000);
/** The rule by the keys of a manifest; what was not asked for is not there. */
function specOf(row: Schedule): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  for (const field of timingFields) put(spec, field.path, jsonOf(field, row));
  const { on, env, signal, force } = row;
  const whole = { ...spec, on, env, arguments: row.arguments, signal, force };
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
}

/** As it would be asked for again. */
function ruleText({ at, everyUs, cron, tz, count, untilUs }: Schedule): string {
  const ending = `${count === undefined ? '' : `, ${count} times`}${
    untilUs === undefined ? '' : ` until ${second(untilUs)}`
  }`;
  if (at !== undefined) return `at ${formatInstant(at)}`;
  if (everyUs !== undefined) return `every ${duration(everyUs)}${ending}`;
  return `${cron} ${tz ?? ''}${ending}`;
}

export const scheduleView: View<Schedule> = {
  name: (row) => row.schedule,
  json: (row) => ({
    id: row.schedule,
    task: orNull(row.task),
    action: row.action,
    spec: specOf(row),
    next: (row.next ?? []).map(formatInstant),
    paused: row.paused ?? false,
    pausedOn: row.pausedOn ?? [],
    bundle: orNull(row.bundle),
    digest: orNull(row.digest),
    since: time(row.sinceUs),
    revision: row.revision,
    by: orNull(row.who),
  }),
  columns: [
    { title: 'ID', text: (row) => row.schedule },
    { title: 'ACTION', text: (row) => row.action },
    { title: 'TASK', text: (row) => row.task ?? text(row.bundle) },
    { title: 'RULE', text: ruleText },
    { title: 'NEXT', text: (row) => second(row.next?.[0]) },
    {
      title: 'PAUSED',
      text: ({ paused, pausedOn = [] }) => (paused ? 'yes' : pausedOn.join(',') || 'no'),
    },
    { title: 'ON', wide: true, text: (row) => text(row.on) },
    { title: 'MISSED', wide: true, text: (row) => row.missed },
    { title: 'OVERLAP', wide: true, text: (row) => row.overlap },
    { title: 'SINCE', wide: true, text: (row) => second(row.sinceUs) },
    { title: 'BY', wide: true, text: (row) => text(row.who) },
  ],
};

export const nextView: View<Shape<'fire'>> = {
  name: (row) => row.schedule,
  json: (row) => ({ schedule: row.schedule, at: formatInstant(row.plannedUs) }),
  columns: [
    { title: 'AT', text: (row) => formatInstant(row.plannedUs) },
    { title: 'SCHEDULE', text: (row) => row.schedule },
    { title: 'ACTION', text: (row) => row.action },
    { title: 'TASK', text: (row) => row.task ?? text(row.bundle) },
  ],
};

export const fireView: View<Shape<'fire'>> = {
  name: (row) => text(row.run),
  json: (row) => ({
    schedule: row.schedule,
    task: orNull(row.task),
    action: row.action,
    node: orNull(row.node),
    run: orNull(row.run),
    planned: formatInstant(row.plannedUs),
    fired: time(row.firedUs),
    lateUs: orNull(row.lateUs),
    clockErrorUs: orNull(row.clockErrorUs),
    result: orNull(row.result),
    reason: orNull(row.reason),
    bundle: orNull(row.bundle),
  }),
  columns: [
    { title: 'PLANNED', text: (row) => formatInstant(row.plannedUs) },
    { title: 'SCHEDULE', text: (row) => row.schedule },
    { title: 'ACTION', text: (row) => row.action },
    { title: 'TASK', text: (row) => row.task ?? text(row.bundle) },
    { title: 'NODE', text: (row) => text(row.node) },
    { title: 'RUN', text: (row) => text(row.run) },
    { title: 'LATE', right: true, text: (row) => ms(row.lateUs) },
    { title: 'CLOCK ERROR', right: true, text: (row) => ms(row.clockErrorUs) },
    { title: 'RESULT', text: (row) => text(row.result) },
    { title: 'REASON', text: (row) => text(row.reason) },
  ],
};

export const summaryView: View<Shape<'summary'>> = {
  name: (row) => row.schedule,
  json: (row) => ({
    schedule: row.schedule,
    task: orNull(row.task),
    action: row.action,
    count: row.count,
    ok: row.okCount,
    skipped: row.skippedCount,
    failed: row.failedCount,
    lost: row.lostCount,
    lateUs: {
      p50: orNull(row.lateP50Us),
      p95: orNull(row.lateP95Us),
      p99: orNull(row.lateP99Us),
      max: orNull(row.lateMaxUs),
    },
    skewUs: {
      p50: orNull(row.skewP50Us),
      p99: orNull(row.skewP99Us),
      max: orNull(row.skewMaxUs),
      errorUs: orNull(row.skewErrorUs),
    },
  }),
  columns: [
    { title: 'SCHEDULE', text: (row) => row.schedule },
    { title: 'ACTION', text: (row) => row.action },
    { title: 'TASK', text: (row) => row.task ?? text(row.bundle) },
    { title: 'FIRINGS', right: true, text: (row) => text(row.count) },
    { title: 'OK', right: true, text: (row) => text(row.okCount) },
    { title: 'SKIPPED', right: true, text: (row) => text(row.skippedCount) },
    { title: 'FAILED', right: true, text: (row) => text(row.failedCount) },
    { title: 'LOST', right: true, text: (row) => text(row.lostCount) },
    { title: 'LATE P50', right: true, text: (row) => ms(row.lateP50Us) },
    { title: 'P95', right: true, text: (row) => ms(row.lateP95Us) },
    { title: 'P99', right: true, text: (row) => ms(row.lateP99Us) },
    { title: 'MAX', right: true, text: (row) => ms(row.lateMaxUs) },
    { title: 'SKEW P50', right: true, text: (row) => ms(row.skewP50Us) },
    { title: 'MAX', right: true, text: (row) => ms(row.skewMaxUs) },
    { title: '±', right: true, text: (row) => ms(row.skewErrorUs) },
  ],
};
