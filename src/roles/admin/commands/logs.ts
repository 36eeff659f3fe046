/** `logs`: what the latest runs of a target have printed. */
import { Command, Option } from 'clipanion';
import { isRunId } from '../../../base/ids.ts';
import { parseSinceUs } from '../../../base/instant.ts';
import type { Ok } from '../../../net/layout.ts';
import type { Draft } from '../client.ts';
import { AdminCommand, checkOn, checkTarget, countOf, isTty, usage } from '../command.ts';
import { LogPrinter } from '../log-printer.ts';

const everyState = [
  ...['pending', 'armed', 'running', 'suspended', 'stopping'],
  ...['exited', 'failed', 'lost'],
];

export class Logs extends AdminCommand {
  static override paths = [['admin', 'logs']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Print the output of processes',
    details:
      "The latest run's stdout and stderr, merged by time; of several nodes with `node| ` " +
      'before each line. `-f` goes on over restarts and later runs until interrupted; with ' +
      '`--run` it ends with the run.',
    examples: [
      ['What a task printed', '$0 admin logs crawl'],
      ['Its last lines, and what comes', '$0 admin logs crawl -f --tail 20'],
      ['Errors of the last five minutes on one node', '$0 admin logs crawl@n1 --stderr --since 5m'],
    ],
  });

  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  follow = Option.Boolean('-f,--follow', false, { description: 'Go on until interrupted' });
  tail = Option.String('-n,--tail', { description: 'Begin with the last N lines' });
  since = Option.String('--since', { description: 'An instant (RFC 3339) or so long ago (5m)' });
  stdoutOnly = Option.Boolean('--stdout', false, { description: 'Only stdout' });
  stderrOnly = Option.Boolean('--stderr', false, { description: 'Only stderr' });
  run = Option.String('--run', { description: 'This run' });
  raw = Option.Boolean('--raw', false, { description: 'Obey control characters on a terminal' });
  target = Option.String({ name: 'TARGET', required: false });

  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    const about = this.#about();
    const single = about.run !== undefined || isRunId(about.targets?.[0] ?? '');
    const nodes = single ? 1 : await this.#nodes(about);
    const { stdout } = this.context;
    const printer = new LogPrinter({
      json: this.format === 'json',
      prefixed: nodes > 1,
      follow: this.follow,
      shown: isTty(stdout) && !this.raw,
      write: (text) => new Promise((resolve) => void stdout.write(text, () => resolve())),
    });
    const last = await this.ask('retLog', about, { onMore: (part) => printer.push(part) });
    await printer.push(last);
    await printer.end();
    return this.#judge(last);
  }

  #about(): Draft<'retLog'> {
    const { follow, run, since, target } = this;
    if (target === undefined && run === undefined) throw usage('TARGET is missing');
    if (this.stdoutOnly && this.stderrOnly) throw usage('--stdout and --stderr exclude each other');
    if (run !== undefined && !isRunId(run)) throw usage(`--run: "${run}" is no run id`);
    const on = checkOn(this.on);
    const tail = countOf(this.tail, '--tail', 0);
    const stream = this.stdoutOnly ? 'stdout' : this.stderrOnly ? 'stderr' : undefined;
    return {
      ...(target === undefined ? {} : { targets: [checkTarget(target)] }),
      ...(run === undefined ? {} : { run }),
      ...(on === undefined ? {} : { on }),
      ...(follow ? { follow } : {}),
      ...(tail === undefined ? {} : { tail }),
      ...(since === undefined ? {} : { since: parseSinceUs(since, this.console.nowUs()) }),
      ...(stream === undefined ? {} : { streams: [stream] }),
    };
  }

  /** On how many nodes the target has a latest run: more than one, and lines are prefixed. */
  async #nodes({ on, targets = [] }: Draft<'retLog'>): Promise<number> {
    const { processes = [] } = await this.query({
      ...{ query: 'processes', names: targets, states: everyState },
      ...(on === undefined ? {} : { on }),
    });
    return new Set(processes.map(({ node }) => node)).size;
  }

  /** The last answer names nodes whose output could not be had. */
  #judge({ text }: Ok<'retLog'>): number {
    if (text === undefined || text === '') return 0;
    this.complain([{ code: 'some-failed', message: text }]);
    return 7;
  }
}
