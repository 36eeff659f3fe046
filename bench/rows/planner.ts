/** 100,000 schedules on one agent: what they take of memory, and an hour of planning of CPU. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Prng } from '../../src/base/prng.ts';
import { Planner } from '../../src/scheduler/planner.ts';
import { nextInstant, type Rule } from '../../src/scheduler/rule.ts';
import { digits, type Finding, type Row } from '../measure.ts';

const SCHEDULES = 100_000;
const HOUR_S = 3_600;
const SECOND = 1_000_000;
const T0 = 1_700_000_000 * SECOND;
const CPU_MOST = 0.02;
const BYTES_MOST = 500;

/** Most at intervals of minutes, some by the calendar, some once. */
function ruleOf(random: Prng): Rule {
  const kind = random.float();
  const sinceUs = T0 - random.int(0, 3_600) * SECOND;
  if (kind < 0.6) return { everyUs: random.int(300, 7_200) * SECOND, sinceUs };
  if (kind < 0.9) {
    const cron = `${random.int(0, 59)} ${random.pick(['*', '*/6', '3'])} * * *`;
    return { cron, tz: random.pick(['UTC', 'Europe/Warsaw', 'America/New_York']), sinceUs };
  }
  return { at: T0 + random.int(1, 86_400) * SECOND, sinceUs };
}

export const planner: Row = {
  name: 'planner',
  limitMs: 170_000,
  async run() {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const random = new Prng(1);
    const rules = Array.from({ length: SCHEDULES }, () => ruleOf(random));
    const names = rules.map((_, n) => `schedule-${n}`);
    collect();
    const before = process.memoryUsage().heapUsed;
    const planned = new Planner();
    for (const [n, rule] of rules.entries()) {
      const about = { splayUs: 0, local: 'UTC', all: false, cursorUs: T0 };
      planned.put(names[n] ?? '', { rule, ...about });
    }
    const firstMs = cpuMs(() => settle(planned));
    collect();
    const bytes = (process.memoryUsage().heapUsed - before) / SCHEDULES;
    let claims = 0;
    let wrong = 0;
    const cursors = new Map<string, number>();
    const hourMs = cpuMs(() => {
      for (let second = 1; second <= HOUR_S; second += 1) {
        const atUs = T0 + second * SECOND;
        for (let some = planned.claim({ atUs, outstanding: 0 }); some.length > 0; ) {
          claims += some.length;
          for (const { schedule, plannedUs } of some) last.push([schedule, plannedUs]);
          some = planned.claim({ atUs, outstanding: 0 });
        }
      }
    });
    for (const [schedule, plannedUs] of last) {
      const rule = rules[Number(schedule.slice('schedule-'.length))];
      const due = rule && nextInstant(rule, cursors.get(schedule) ?? T0);
      if (due !== plannedUs) wrong += 1;
      cursors.set(schedule, plannedUs);
    }
    last.length = 0;
    return findings({ bytes, firstMs, hourMs, claims, wrong });
  },
};

const last: [string, number][] = [];

/** Every first instant is computed. */
function settle(planned: Planner): void {
  for (let n = 0; n < SCHEDULES / 1_000; n += 1)
    planned.claim({ atUs: T0 - 3_600e6, outstanding: 0 });
}

function cpuMs(work: () => void): number {
  const { user, system } = process.cpuUsage();
  work();
  const now = process.cpuUsage();
  return (now.user + now.system - user - system) / 1_000;
}

interface Measured {
  readonly bytes: number;
  readonly firstMs: number;
  readonly hourMs: number;
  readonly claims: number;
  readonly wrong: number;
}

function findings({ bytes, firstMs, hourMs, claims, wrong }: Measured): Finding[] {
  const share = hourMs / (HOUR_S * 1_000);
  const what = `${SCHEDULES.toLocaleString('en')} schedules on one agent`;
  return [
    {
      what: `${what}, planner: memory of each, its rule beside`,
      figure: `${Math.round(bytes)} bytes`,
      against: '–',
      result: `${Math.round(bytes)} bytes`,
      ...{ goal: `≤ ${BYTES_MOST} bytes`, met: bytes <= BYTES_MOST },
    },
    {
      what: 'the same, CPU of the planner over an hour of claims, all first instants computed before',
      figure: `${digits(hourMs)} ms for ${claims} claims (first instants: ${digits(firstMs)} ms)`,
      against: '–',
      result: `${(share * 100).toFixed(3)} %`,
      ...{ goal: '< 2 %', met: share < CPU_MOST },
    },
    {
      what: 'the same, instants that are not the rule’s next',
      figure: `${wrong} of ${claims}`,
      against: 'each rule asked by itself',
      result: String(wrong),
      ...{ goal: '0', met: wrong === 0 },
    },
  ];
}
