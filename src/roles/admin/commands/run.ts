/**
 * `run`: an ad-hoc command on every matching node, as if it ran here: output comes as it is
 * printed, Ctrl-C goes to the program, and this command ends with the program's own exit code.
 */
import { Command, Option } from 'clipanion';
import { formatDurationMs } from '../../../base/duration.ts';
import { LotcError } from '../../../base/errors.ts';
import { few } from '../../../base/few.ts';
import type { Ok, Shape } from '../../../net/layout.ts';
import { AdminCommand, checkName, checkOn, countOf, usage } from '../command.ts';
import { Execution } from '../execution.ts';
import { judgeRun, programExit, runFailureExit } from '../outcome.ts';
import { jsonText } from '../render.ts';
import { views } from '../views.ts';
import { readWords } from '../words.ts';

/** As a shell ends whose command was interrupted: 128 + SIGINT. */
const INTERRUPTED = 130;
/** Nodes that are named where many have not ended. */
const NAMED = 10;

export class Run extends AdminCommand {
  static override paths = [['admin', 'run']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Run a command on nodes now: --on SEL -- CMD ARG…',
    details:
      'Streams the output, with `node| ` before each line where there are several nodes. ' +
      "Ends with the program's own code, 128+n for signal n; with several nodes 0 if all " +
      'ended with 0, else 7; 125 where lotc itself failed, 126 and 127 as in a shell. Ctrl-C ' +
      'goes to the program; the third one leaves. When this console goes away, the program is ' +
      'stopped: TERM, the grace, KILL.',
    examples: [
      ['On every node', '$0 admin run --on @all -- uptime'],
      ['A shell on one node', '$0 admin run --on n1 -t -- bash -l'],
      ['Feed a file to all nodes of a zone', '$0 admin run --on zone=a --stdin -- sh < setup.sh'],
      [
        'Ten nodes at a time, until one fails',
        '$0 admin run --on @all --batch 10 --fail-fast -- ./check',
      ],
    ],
  });

  on = Option.String('--on', { required: true, description: 'On these nodes (a selector)' });
  bundle = Option.String('--bundle', { description: "With this bundle's files at hand" });
  user = Option.String('--user', { description: "As this user (default: the agent's own)" });
  stdin = Option.Boolean('--stdin', false, { description: "This console's stdin, to every node" });
  tty = Option.Boolean('-t,--tty', false, { description: 'On a terminal; one node only' });
  batch = Option.String('--batch', { description: 'So many nodes at a time' });
  failFast = Option.Boolean('--fail-fast', false, { description: 'Stop at the first failure' });
  command = readWords();

  protected override defaultTimeoutMs: number | undefined = undefined;
  #execution: Execution | undefined;

  protected override async perform(): Promise<number> {
    const spec = this.#spec();
    const on = checkOn(this.on) ?? '@all';
    const size = countOf(this.batch, '--batch');
    if (this.tty && size !== undefined) throw usage('-t and --batch exclude each other');
    const terminal = this.tty ? this.console.terminal() : undefined;
    if (this.tty && terminal === undefined) throw usage('-t needs a terminal on stdin and stdout');
    const groups = size === undefined ? [on] : await this.#groups(on, size);
    const processes: Shape<'process'>[] = [];
    const answers: Shape<'answer'>[] = [];
    let reached = 0;
    for (const group of groups) {
      reached += 1;
      const execution = new Execution({
        open: (kind, body, listening) => this.open(kind, body, listening),
        console: this.console,
        streams: this.context,
        terminal,
        json: this.format === 'json',
        prefixed: size !== undefined,
        stdin: this.stdin,
        failFast: this.failFast,
      });
      this.#execution = execution;
      const ended: Ok<'retExec'> = await execution.run(spec, group);
      processes.push(...(ended.processes ?? []));
      answers.push(...(ended.answers ?? []));
      const failed = answers.length > 0 || processes.some((process) => !succeeded(process));
      if (execution.interrupted || (this.failFast && failed)) break;
    }
    const { complaints, exitCode } = judgeRun(processes, answers, groups.length > 1);
    if (this.format === 'json') this.#finals(processes);
    this.complain(complaints);
    if (reached < groups.length) this.note(`not started on ${groups.slice(reached).join(',')}`);
    return exitCode;
  }

  protected override timedOut(timeoutMs: number): Promise<LotcError> {
    const open = this.#execution?.open ?? [];
    if (open.length === 0) return super.timedOut(timeoutMs);
    const text = `the command has not ended within ${formatDurationMs(timeoutMs)} on ${few(open, NAMED)}`;
    const node = open.length === 1 ? open[0] : undefined;
    return Promise.resolve(
      new LotcError('timeout', text, { node, hint: 'it is stopped there; see --timeout' }),
    );
  }

  protected override failed(error: unknown): number {
    if (error instanceof LotcError && error.code === 'cancelled') return INTERRUPTED;
    return runFailureExit(super.failed(error));
  }

  #spec(): Shape<'spec'> {
    const { bundle, user } = this;
    const [extra] = this.command.words;
    if (extra !== undefined)
      throw usage(`unexpected argument "${extra}"`, 'the command follows --');
    const command = this.command.tail ?? [];
    if (command.length === 0 || command[0] === '') {
      throw usage('the command is missing', 'write it after --, for instance: -- uptime');
    }
    return {
      command,
      ...(bundle === undefined ? {} : { bundle: checkName(bundle, '--bundle') }),
      ...(user === undefined ? {} : { user }),
    };
  }

  async #groups(on: string, size: number): Promise<readonly string[]> {
    const { nodes = [] } = await this.query({ query: 'nodes', on });
    const names = nodes.map(({ node }) => node);
    const groups: string[] = [];
    for (let at = 0; at < names.length; at += size)
      groups.push(names.slice(at, at + size).join(','));
    return groups;
  }

  #finals(processes: readonly Shape<'process'>[]): void {
    for (const process of processes) {
      this.write(`${jsonText({ process: views.process.json(process, 0) })}\n`);
    }
  }
}

const succeeded = (process: Shape<'process'>): boolean =>
  process.processState === 'exited' && programExit(process) === 0;
