/**
 * `task restart`, `restart`: stops, then starts. With --batch in steps of so many processes, each
 * step waiting until the new ones are ready, so that a bad version stops at the first step.
 */
import { Command, Option } from 'clipanion';
import { isRunId } from '../../../../base/ids.ts';
import type { Acted } from '../../acting.ts';
import type { Answer } from '../../client.ts';
import { durationOf, usage } from '../../command.ts';
import { judgeWait, placeOf } from '../../outcome.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskRestart extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'restart'],
    ['admin', 'restart'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Stop and start again',
    details:
      'Ends what runs (as `stop` does) and starts it anew, with the task and bundle as ' +
      `they are now; what does not run is started. ${AWAY} ${SCHEDULED} With \`--batch\` it goes in steps ` +
      'and waits for each until it is ready; it ends at the first step that fails.',
    examples: [
      ['Restart everywhere at once', '$0 admin restart web --wait'],
      ['Two at a time, ten seconds apart', '$0 admin restart web --batch 2 --pause 10s'],
      ['A quarter of them at a time', '$0 admin restart web --batch 25%'],
      [
        'Every Sunday, spread over half an hour',
        "$0 admin restart web --cron '0 4 * * 0' --splay 30m",
      ],
    ],
  });

  batch = Option.String('--batch', { description: 'N or P%: so many at a time, until ready' });
  pause = Option.String('--pause', { description: 'With --batch: between two steps' });
  protected readonly done = 'running';

  protected order(aimed: Aimed): Promise<Acted> {
    return this.act('taskRun', { ...aimed, mode: 'restart' });
  }

  protected override async perform(): Promise<number> {
    const pauseMs = durationOf(this.pause, '--pause');
    if (this.batch === undefined) {
      if (pauseMs !== undefined) throw usage('--pause goes with --batch');
      return super.perform();
    }
    stepSize(this.batch, 1);
    if (this.timed().timing) throw usage('--batch goes in steps now; it takes no schedule');
    this.wait = true;
    return this.#inSteps(await this.aim(), pauseMs ?? 0);
  }

  /** Steps over what lives; then what did not run is started, all at once. */
  async #inSteps(aimed: Aimed, pauseMs: number): Promise<number> {
    const { processes = [] } = await this.query({
      query: 'processes',
      names: aimed.targets,
      ...(aimed.on === undefined ? {} : { on: aimed.on }),
    });
    const living = processes.map((process) => placeOf(process));
    const size = stepSize(this.batch ?? '', living.length);
    const answers: Answer[] = [];
    let operation: string | undefined;
    for (let at = 0; at < living.length; at += size) {
      if (at > 0 && pauseMs > 0) await this.#sleep(pauseMs);
      const targets = living.slice(at, at + size);
      const acted = await this.order({ targets });
      operation = acted.operation ?? operation;
      answers.push(...acted.answers);
      const bad = acted.answers.some(({ ok }) => !ok) || !(await this.#ready(targets));
      if (bad) return this.#ended(answers, operation, living.length - at - targets.length);
    }
    const rest = aimed.targets.filter((target) => !isRunId(target));
    if (rest.length > 0) {
      const started = await this.act('taskRun', { ...aimed, targets: rest, mode: 'start' });
      operation = started.operation ?? operation;
      answers.push(...started.answers.filter(({ unchanged }) => unchanged !== true));
    }
    return this.tell({ operation, answers }, this.done);
  }

  async #ready(targets: readonly string[]): Promise<boolean> {
    const { processes = [] } = await this.ask('retWait', { targets, waitFor: 'ready' });
    const { complaints } = judgeWait(processes, 'ready');
    this.complain(complaints);
    return complaints.length === 0;
  }

  #ended(answers: readonly Answer[], operation: string | undefined, left: number): number {
    const exitCode = this.tell({ operation, answers }, this.done);
    if (left > 0) this.note(`note: ${left} more left as they were`);
    return exitCode === 0 ? 1 : exitCode;
  }

  #sleep(ms: number): Promise<void> {
    const slept = Promise.withResolvers<void>();
    this.console.after(ms, slept.resolve);
    return slept.promise;
  }
}

/** `3`, or `25%` of `total` (one at least). */
function stepSize(text: string, total: number): number {
  const [, digits, percent] = /^(\d+)(%?)$/.exec(text) ?? [];
  const number = Number(digits);
  if (digits === undefined || number < 1 || (percent === '%' && number > 100)) {
    throw usage(`--batch: "${text}" is not a number from 1 or a percentage`);
  }
  return percent === '%' ? Math.max(1, Math.floor((total * number) / 100)) : number;
}
