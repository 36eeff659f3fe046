/**
 * Commands that act: durable once accepted, an operation with an id, and with --wait an answer of
 * every target (cli.md, "Acting and waiting"). When the time is up, the nodes that have not
 * answered are named by asking the operation.
 */
import { Option } from 'clipanion';
import { formatDurationMs } from '../../base/duration.ts';
import { LotcError } from '../../base/errors.ts';
import { few } from '../../base/few.ts';
import type { Ack, Ok, Shape } from '../../net/layout.ts';
import type { Answer, Draft } from './client.ts';
import { AdminCommand } from './command.ts';
import { judgeAnswers, placeOf } from './outcome.ts';
import { answerJson } from './records.ts';
import { jsonText } from './render.ts';

export type ActingKind =
  | 'taskRun'
  | 'taskKill'
  | 'taskStop'
  | 'taskCont'
  | 'taskRm'
  | 'hostRm'
  | 'fileDef'
  | 'fileRm'
  | 'depDrain';

export interface Acted {
  readonly operation: string | undefined;
  readonly answers: readonly Answer[];
  /** Of a verb with a timing: it is no operation. */
  readonly schedules?: readonly Shape<'schedule'>[] | undefined;
}

interface Late {
  readonly nodes: readonly string[];
  readonly why: readonly string[];
}

const REASONS_TOLD = 3;
/** How long the question for the missing nodes may take once the time is up. */
const LAST_QUESTION_MS = 2_000;

export abstract class ActingCommand extends AdminCommand {
  wait = Option.Boolean('--wait', false, {
    description: 'Return when every target has answered, not when the server has accepted',
  });

  #operation: string | undefined;

  protected async act<K extends ActingKind>(kind: K, body: Draft<K>): Promise<Acted> {
    let ack: { operation?: string; answers?: readonly Answer[] } = {};
    const waiting = this.wait ? { ...body, wait: true } : body;
    const earlier: Answer[] = [];
    const made: Shape<'schedule'>[] = [];
    const ok = (await this.ask(kind, waiting, {
      onMore: (part) => {
        const { answers = [], schedules = [] } = part as Ok<ActingKind>;
        earlier.push(...answers);
        made.push(...schedules);
      },
      onAck: (accepted: Ack<K>) => {
        ack = accepted;
        this.#operation = ack.operation;
      },
    })) as Ok<ActingKind>;
    const operation = ok.operation ?? ack.operation;
    this.#operation = operation;
    const schedules = ok.schedules && [...made, ...ok.schedules];
    return { operation, answers: [...earlier, ...(ok.answers ?? ack.answers ?? [])], schedules };
  }

  /** Prints what was done; `done` is the word for a target that did it. */
  protected tell({ answers, operation }: Acted, done: string): number {
    const { complaints, exitCode } = judgeAnswers(answers);
    if (this.format === 'json') {
      this.write(
        `${jsonText({ operation: operation ?? null, answers: answers.map(answerJson) })}\n`,
      );
    } else if (this.format === 'name' || !this.wait) {
      this.write(operation === undefined ? '' : `${operation}\n`);
    } else {
      const lines = answers.filter(({ ok }) => ok).map((answer) => tellOne(answer, done));
      this.write(lines.map((line) => `${line}\n`).join(''));
    }
    this.complain(complaints);
    return exitCode;
  }

  protected override async timedOut(timeoutMs: number): Promise<LotcError> {
    const operation = this.#operation;
    if (operation === undefined) return super.timedOut(timeoutMs);
    const { nodes, why } = await this.#late(operation);
    const who = nodes.length === 0 ? 'some targets' : nodes.join(', ');
    const within = formatDurationMs(timeoutMs);
    const reason = why.length === 0 ? '' : `: ${few(why, REASONS_TOLD)}`;
    return new LotcError('timeout', `no answer from ${who} within ${within}${reason}`, {
      node: nodes.length === 1 ? nodes[0] : undefined,
      hint:
        `the order stands; see: lotc admin operation show ${operation}; ` +
        `to withdraw it: lotc admin operation cancel ${operation}`,
    });
  }

  async #late(operation: string): Promise<Late> {
    const nothing: Late = { nodes: [], why: [] };
    const late = Promise.withResolvers<Late>();
    const cancel = this.console.after(LAST_QUESTION_MS, () => {
      late.resolve(nothing);
    });
    try {
      return await Promise.race([this.#ask(operation).catch(() => nothing), late.promise]);
    } finally {
      cancel();
    }
  }

  /** Which nodes have not answered, and what of the operation is not done there. */
  async #ask(operation: string): Promise<Late> {
    const { operations } = await this.query({ query: 'operations', names: [operation] });
    const [row] = operations ?? [];
    const nodes = (row?.nodes ?? []).map(({ node }) => node);
    if (nodes.length === 0) return { nodes, why: [] };
    const { processes = [] } = await this.query({ query: 'processes', on: nodes.join(',') });
    const isAwaited = (process: Shape<'process'>): boolean =>
      row?.verb === 'drain' ? isLive(process) : isPendingOf(process, operation);
    const why = processes.filter(isAwaited).map(({ task, run, node, processState, reason }) => {
      const because = reason === undefined ? '' : ` (${reason})`;
      return `${task ?? run}@${node} is ${processState}${because}`;
    });
    return { nodes, why };
  }
}

const isLive = ({ processState }: Shape<'process'>): boolean =>
  ['pending', 'running', 'suspended', 'stopping'].includes(processState);

const isPendingOf = (process: Shape<'process'>, operation: string): boolean =>
  process.processState === 'pending' && process.operation === operation;

function tellOne(answer: Answer, done: string): string {
  const place = placeOf(answer);
  if (answer.unchanged === true) return answer.text ?? `${place}: already so`;
  return place === '' ? done : `${place}: ${done}`;
}
