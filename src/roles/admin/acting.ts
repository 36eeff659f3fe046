/**
 * Commands that act: durable once accepted, an operation with an id, and with --wait an answer of
 * every target (cli.md, "Acting and waiting"). When the time is up, the nodes that have not
 * answered are named by asking the operation.
 */
import { Option } from 'clipanion';
import { formatDurationMs } from '../../base/duration.ts';
import { LotcError } from '../../base/errors.ts';
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
    const missing = await this.#missing(operation);
    const who = missing.length === 0 ? 'some targets' : missing.join(', ');
    const within = formatDurationMs(timeoutMs);
    return new LotcError('timeout', `no answer from ${who} within ${within}`, {
      node: missing.length === 1 ? missing[0] : undefined,
      hint:
        `the order stands; see: lotc admin operation show ${operation}; ` +
        `to withdraw it: lotc admin operation cancel ${operation}`,
    });
  }

  async #missing(operation: string): Promise<readonly string[]> {
    const late = Promise.withResolvers<readonly string[]>();
    const cancel = this.console.after(LAST_QUESTION_MS, () => {
      late.resolve([]);
    });
    const asked = this.query({ query: 'operations', names: [operation] }).then(
      ({ operations }) => (operations?.[0]?.nodes ?? []).map(({ node }) => node),
      () => [],
    );
    try {
      return await Promise.race([asked, late.promise]);
    } finally {
      cancel();
    }
  }
}

function tellOne(answer: Answer, done: string): string {
  const place = placeOf(answer);
  if (answer.unchanged === true) return answer.text ?? `${place}: already so`;
  return place === '' ? done : `${place}: ${done}`;
}
