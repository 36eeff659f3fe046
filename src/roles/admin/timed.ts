/**
 * The schedule flags, which every acting verb has, and load and unload too (cli.md, "Schedule
 * flags"). With one of them a command makes a schedule for each target instead of acting now, and
 * prints its id. Instants, durations and words are read here; rules and zones are judged by the
 * server, which has the calendar that counts.
 */
import { Option } from 'clipanion';
import { formatInstant } from '../../base/clock.ts';
import { parseInstantUs } from '../../base/instant.ts';
import type { Shape } from '../../net/layout.ts';
import { type Acted, ActingCommand } from './acting.ts';
import { checkName, countOf, durationOf, usage } from './command.ts';
import { judgeAnswers } from './outcome.ts';
import { answerJson } from './records.ts';
import { jsonText } from './render.ts';
import { scheduleView } from './schedule-views.ts';

export type Timing = Shape<'timing'>;

/** What a verb's message gets from its flags. */
export interface Timed {
  readonly timing?: Timing;
}

const missedRules = ['skip', 'once', 'all'] as const;
const overlapRules = ['forbid', 'queue', 'replace', 'allow'] as const;
const SECOND_US = 1_000_000;

const microseconds = (text: string | undefined, option: string): number | undefined => {
  const ms = durationOf(text, option);
  return ms === undefined ? undefined : ms * 1000;
};

const instant = (text: string | undefined, option: string): number | undefined =>
  text === undefined ? undefined : parseInstantUs(text, option);

function word(
  text: string | undefined,
  option: string,
  known: readonly string[],
): string | undefined {
  if (text === undefined || known.includes(text)) return text;
  throw usage(`${option}: "${text}" is none of ${known.join(', ')}`);
}

export abstract class TimedCommand extends ActingCommand {
  at = Option.String('--at', { description: 'Schedule: at this instant (RFC 3339)' });
  in = Option.String('--in', { description: 'Schedule: so long from now, once' });
  every = Option.String('--every', { description: 'Schedule: again and again, 100ms at least' });
  from = Option.String('--from', { description: 'With --every: counted from here, not from now' });
  cron = Option.String('--cron', { description: 'Schedule: a cron rule of 5 or 6 fields' });
  tz = Option.String('--tz', { description: "With --cron: a zone, or local (the node's); UTC" });
  until = Option.String('--until', { description: 'Schedule: no instant after this one' });
  count = Option.String('--count', { description: 'Schedule: so many instants' });
  missed = Option.String('--missed', { description: 'Of missed instants: skip, once or all' });
  overlap = Option.String('--overlap', {
    description: 'If it still runs: forbid, queue, replace or allow',
  });
  maxClockError = Option.String('--max-clock-error', {
    description: 'Schedule: skip where the clock is not known as well as this',
  });
  splay = Option.String('--splay', { description: 'Schedule: spread the nodes over so long' });
  scheduleName = Option.String('--schedule-name', { description: 'Name of the schedule' });

  /** Nothing where the command is to act now. */
  protected timed(): Timed {
    const timing = this.#timing();
    const given = Object.entries(timing).filter(([, value]) => value !== undefined);
    if (given.length === 0) return {};
    const rules = [this.at, this.in, this.every, this.cron].filter((rule) => rule !== undefined);
    if (rules.length !== 1) {
      throw usage(
        rules.length === 0
          ? 'a schedule has one of --at, --in, --every and --cron; none is given'
          : 'a schedule has one of --at, --in, --every and --cron',
      );
    }
    if (this.from !== undefined && this.every === undefined)
      throw usage('--from goes with --every');
    if (this.tz !== undefined && this.cron === undefined) throw usage('--tz goes with --cron');
    if (this.wait) this.note('note: --wait has nothing to wait for: a schedule is no operation');
    return { timing: Object.fromEntries(given) };
  }

  #timing(): Timing {
    return {
      at: instant(this.at, '--at'),
      inUs: microseconds(this.in, '--in'),
      everyUs: microseconds(this.every, '--every'),
      fromUs: instant(this.from, '--from'),
      cron: this.cron,
      tz: this.tz,
      untilUs: instant(this.until, '--until'),
      count: countOf(this.count, '--count'),
      missed: word(this.missed, '--missed', missedRules),
      overlap: word(this.overlap, '--overlap', overlapRules),
      maxClockErrorUs: microseconds(this.maxClockError, '--max-clock-error'),
      splayUs: microseconds(this.splay, '--splay'),
      schedule:
        this.scheduleName === undefined
          ? undefined
          : checkName(this.scheduleName, '--schedule-name'),
    };
  }

  protected override tell(acted: Acted, done: string): number {
    const { answers, schedules } = acted;
    if (schedules === undefined) return super.tell(acted, done);
    const { complaints, exitCode } = judgeAnswers(answers);
    if (this.format === 'json') {
      const whole = {
        schedule: schedules[0]?.schedule ?? null,
        schedules: schedules.map((row) => scheduleView.json(row, this.console.nowUs())),
        answers: answers.map(answerJson),
      };
      this.write(`${jsonText(whole)}\n`);
    } else this.write(schedules.map(({ schedule }) => `${schedule}\n`).join(''));
    for (const row of schedules) this.#warn(row);
    this.complain(complaints);
    return exitCode;
  }

  /** Six fields where five were meant: `* 5 * * * *` is every second of a minute. */
  #warn({ cron, next = [], schedule }: Shape<'schedule'>): void {
    const fields = cron?.trim().split(/\s+/).length ?? 0;
    const [first, second] = next;
    if (fields !== 6 || first === undefined || second === undefined) return;
    if (second - first > SECOND_US) return;
    this.note(`warning: "${cron}" has six fields, the first is the second: it fires every second`);
    for (const at of next) this.note(`  ${formatInstant(at)}`);
    this.note(`hint: five fields begin with the minute; lotc admin schedule rm ${schedule}`);
  }
}
