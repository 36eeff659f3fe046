/**
 * The controller: a command is appended to the journal, and only what comes back from there,
 * durable and in order, is applied. So whatever was answered survives any crash, by construction.
 *
 * It knows the model and the journal's order; it does not know sockets, nor who listens to what
 * changed.
 */
import { assert } from '../../base/assert.ts';
import { errorCodes, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { encodeShape } from '../../net/codec.ts';
import type { AnyBody, Failure, Shape } from '../../net/layout.ts';
import { apply } from './model/apply.ts';
import type { Change, HistoryDraft } from './model/change.ts';
import {
  type Command,
  type CommandBody,
  type CommandKind,
  decodeCommand,
  encodeCommand,
} from './model/command.ts';
import { answerRow } from './model/rows.ts';
import type { Reply, State } from './model/state.ts';
import type { HistoryRow, ServerPorts } from './ports.ts';
import { isSafe } from './secrets.ts';

export interface Entry {
  readonly seq: number;
  readonly rec: Uint8Array;
}

/** Commands of the server's own making. */
export const SERVER: Asker = { who: 'server', origin: '' };

export interface Asker {
  readonly who: string;
  readonly origin: string;
  /** The key whose record `apply` judges the command by. */
  readonly by?: string | undefined;
}

/** What ends work, and what is reported of it, goes on while a full disk refuses the rest. */
const urgent: ReadonlySet<CommandKind> = new Set([
  ...(['taskKill', 'depSchedule', 'report', 'attach', 'detach'] as const),
]);

type Done = (reply: Reply, seq: number) => void;

export class Controller {
  readonly state: State;
  readonly #ports: ServerPorts;
  /** Commands on their way through the journal, by id. */
  readonly #waiting = new Map<string, Done[]>();
  readonly #listeners: ((change: Change, seq: number) => void)[] = [];
  /** Why commands are refused, where they are. */
  #readOnly: LotcError | undefined;

  constructor(state: State, ports: ServerPorts) {
    this.state = state;
    this.#ports = ports;
  }

  get readOnly(): LotcError | undefined {
    return this.#readOnly;
  }

  /** From now on nothing is commanded; reading goes on. Only an admin at the disk ends this. */
  refuseCommands(error: LotcError): void {
    this.#readOnly ??= error;
  }

  onChange(listener: (change: Change, seq: number) => void): void {
    this.#listeners.push(listener);
  }

  /** `done` is called once: when the command is durable and applied, or cannot be. */
  submit<K extends CommandKind>(
    kind: K,
    body: CommandBody<K>,
    asker: Asker,
    done: Done,
    key: Uint8Array = this.#ports.key(),
  ): void {
    if (this.#readOnly) {
      done(replyOf(this.#readOnly), this.state.seq);
      return;
    }
    const { spec } = body as AnyBody;
    assert(spec === undefined || isSafe(spec), 'a secret is sealed before it is written down');
    const { atUs: at, errorUs } = this.#ports.now();
    const command = { kind, body, key, at, errorUs, ...asker } as unknown as Command;
    const record = encodeCommand(command);
    if (record.length > limits.journalRecordBytes) {
      const text = `the request takes ${record.length} bytes in the journal; at most ${limits.journalRecordBytes}`;
      done({ ok: false, code: 'too-large', text }, this.state.seq);
      return;
    }
    const id = idOf(key);
    const others = this.#waiting.get(id);
    if (others) {
      others.push(done);
      return;
    }
    this.#waiting.set(id, [done]);
    const failed = (error: Error): void => this.#answer(id, replyOf(error), this.state.seq);
    this.#ports.append(record, failed, urgent.has(kind));
  }

  /** Entries of the journal, in order: applied, projected into history, answered. */
  entries(entries: readonly Entry[]): void {
    const rows: HistoryRow[] = [];
    for (const { seq, rec } of entries) this.#applyOne(seq, rec, rows);
    const last = entries.at(-1);
    if (last) this.#ports.project(rows, last.seq);
  }

  #applyOne(seq: number, rec: Uint8Array, rows: HistoryRow[]): void {
    const command = decodeCommand(rec);
    const { reply, change } = apply(this.state, command, seq);
    historyRows(change, seq, rows);
    if (change.audit) rows.push(auditRow(change.audit, this.state.at));
    for (const listener of this.#listeners) listener(change, seq);
    this.#answer(idOf(command.key), reply, seq);
  }

  #answer(id: string, reply: Reply, seq: number): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    for (const done of waiting) done(reply, seq);
  }
}

const idOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function replyOf(error: Error): Reply {
  if (error instanceof LotcError) {
    return { ok: false, code: error.code, text: error.message, hint: error.hint };
  }
  return { ok: false, code: 'io', text: error.message };
}

export function failureOf(reply: Reply & { ok: false }): Failure {
  const { code, text, hint, answers } = reply;
  return { errorCode: errorCodes[code].number, text, hint, answers: answers?.map(answerRow) };
}

/** Found by the instant it was planned for; the newest report of a firing is the one kept. */
function fireRow({ uid, ...fire }: FireDraft): Omit<HistoryRow, 'seq' | 'n'> {
  const { schedule, plannedUs: at, task, node, run } = fire;
  const name = `${schedule} ${at} ${uid}`;
  const body = encodeShape('fire', fire);
  return { kind: 'fire', at, task, node, run, schedule, name, body };
}

/** `at` never goes back, as an entry's own may: so what is old goes in the order of the chain. */
function auditRow(entry: Shape<'audit'>, at: number): HistoryRow {
  return { seq: entry.seq, n: 0, kind: 'audit', at, body: encodeShape('audit', entry) };
}

type FireDraft = NonNullable<HistoryDraft['fire']>;

function historyRows(change: Change, seq: number, rows: HistoryRow[]): void {
  const { at, errorUs, who, origin } = change.command;
  let n = 0;
  for (const draft of change.events) {
    const { kind: eventKind, ...names } = draft;
    const event: Shape<'event'> = {
      seq,
      at,
      clockErrorUs: errorUs,
      eventKind,
      who,
      origin,
      ...names,
    };
    const { task, node, run, operation } = names;
    n += 1;
    rows.push({
      ...{ seq, n, kind: 'event', at, task, node, run, operation },
      body: encodeShape('event', event),
    });
  }
  for (const { process, operation, fire } of change.history) {
    n += 1;
    if (fire) rows.push({ seq, n, ...fireRow(fire) });
    if (process) {
      const { task, node, run } = process;
      rows.push({
        ...{ seq, n, kind: 'run', at, task, node, run, name: run },
        body: encodeShape('process', process),
      });
    }
    if (operation) {
      const id = operation.operation;
      rows.push({
        ...{ seq, n, kind: 'operation', at, operation: id },
        body: encodeShape('operation', operation),
      });
    }
  }
}
