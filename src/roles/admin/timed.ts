/**
 * The schedule flags, which every acting verb has, and load and unload too (cli.md, "Schedule
 * flags"). With one of them a command makes a schedule for each target instead of acting now, and
 * prints its id. Instants, durations and words are read here; rules and zones are judged by the
 * server, which has the calendar that counts.
 */
import { Option } from 'clipanion';
import { formatInstant } from '../../base/clock.ts';
import type { Shape } from '../../net/layout.ts';
import { type Acted, ActingCommand } from './acting.ts';
import { checkName, durationOf, usage } from './command.ts';
import { addOptions, readOptions } from './field-options.ts';
import { judgeAnswers } from './outcome.ts';
import { answerJson } from './records.ts';
import { jsonText } from './render.ts';
import { scheduleView } from './schedule-views.ts';
import { timingFields } from './timing-fields.ts';

export type Timing = Shape<'timing'>;

/** What a verb's message gets from its flags. */
export interface Timed {
  readonly timing?: Timing;
}

const SECOND_US = 1_000_000;

export abstract class TimedCommand extends ActingCommand {
  in = Option.String('--in', { description: 'Schedule: so long from now, once' });
  scheduleName = Option.String('--schedule-name', { description: 'Name of the schedule' });

  constructor() {
    super();
    addOptions(this, timingFields);
  }

  /** Nothing where the command is to act now. */
  protected timed(): Timed {
    const timing = this.#timing();
    if (Object.keys(timing).length === 0) return {};
    const { at, inUs, everyUs, cron } = timing;
    const rules = [at, inUs, everyUs, cron].filter((rule) => rule !== undefined);
    if (rules.length !== 1) {
      throw usage(
        rules.length === 0
          ? 'a schedule has one of --at, --in, --every and --cron; none is given'
          : 'a schedule has one of --at, --in, --every and --cron',
      );
    }
    if (timing.fromUs !== undefined && everyUs === undefined)
      throw usage('--from goes with --every');
    if (timing.tz !== undefined && cron === undefined) throw usage('--tz goes with --cron');
    if (this.wait) this.note('note: --wait has nothing to wait for: a schedule is no operation');
    return { timing };
  }

  #timing(): Timing {
    const timing: Record<string, unknown> = readOptions(this, timingFields);
    const inMs = durationOf(this.in, '--in');
    if (inMs !== undefined) timing['inUs'] = inMs * 1000;
    if (this.scheduleName !== undefined)
      timing['schedule'] = checkName(this.scheduleName, '--schedule-name');
    return timing;
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
