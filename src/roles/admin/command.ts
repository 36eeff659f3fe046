/**
 * What all commands of the console share: options, the session, the time limit, and how output
 * and errors are written (cli.md, "Output", "Acting and waiting"). A command says what it asks
 * and what it prints; everything that can fail in the same way for all of them is here.
 */
import { Command, Option } from 'clipanion';
import { parseCount } from '../../base/count.ts';
import { formatDurationMs, parseDurationMs } from '../../base/duration.ts';
import { LotcError, usage } from '../../base/errors.ts';
import { isRunId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { nameFault } from '../../base/names.ts';
import { printable } from '../../base/printable.ts';
import { parseSelector } from '../../base/selector.ts';
import type { MessageKind, Ok } from '../../net/layout.ts';
import type { View } from './cells.ts';
import type { Ask, Asked, ConnectSettings, Draft, Listening } from './client.ts';
import { Refused } from './client.ts';
import type { AdminContext, Console } from './context.ts';
import { type Complaint, complaintOf, judgeAnswers } from './outcome.ts';
import { type Format, formats, jsonText, renderList, renderOne } from './render.ts';

const USAGE = 2;

export { usage };

/** An option's value: undefined stays so. */
export function durationOf(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text, option);
}

export function countOf(text: string | undefined, option: string, least = 1): number | undefined {
  return text === undefined ? undefined : parseCount(text, option, least);
}

export function checkName(name: string, what: string): string {
  const fault = nameFault(name);
  if (fault !== undefined) throw usage(`${what} "${name}": ${fault}`);
  return name;
}

/** The selector's text; a usage error where it is none. */
export function checkOn(on: string | undefined): string | undefined {
  if (on !== undefined) parseSelector(on);
  return on;
}

export abstract class AdminCommand extends Command<AdminContext> {
  servers = Option.Array('--server', {
    description: 'Address of the server; repeats (default: those of the identity, $LOTC_SERVER)',
  });
  identity = Option.String('--identity', {
    env: 'LOTC_IDENTITY',
    description: 'Identity file ($LOTC_IDENTITY, ~/.config/lotc/identity.json)',
  });
  output = Option.String('-o,--output', {
    env: 'LOTC_OUTPUT',
    description: 'table, wide, json or name ($LOTC_OUTPUT)',
  });
  json = Option.Boolean('--json', false, { description: 'The same as -o json' });
  timeout = Option.String('--timeout', {
    env: 'LOTC_TIMEOUT',
    description: 'How long to wait at most, for instance 10s ($LOTC_TIMEOUT)',
  });
  keylog = Option.String('--keylog', {
    description: 'Write TLS secrets to this file, for Wireshark',
  });
  plaintext = Option.Boolean('--plaintext', false, {
    description: 'No TLS; loopback addresses only',
  });

  /** Undefined: no limit, unless --timeout says so. */
  protected defaultTimeoutMs: number | undefined = limits.waitTimeoutMs;
  #ask: Ask | undefined;
  #console: Console | undefined;
  #warned = '';
  readonly #unanswered = new Set<{ drop(): void }>();

  protected abstract perform(): Promise<number>;

  override async execute(): Promise<number> {
    try {
      if (!(formats as readonly string[]).includes(this.format)) {
        throw usage(`-o: "${this.format}" is none of ${formats.join(', ')}`);
      }
      return await this.#bounded();
    } catch (error) {
      return this.failed(error);
    } finally {
      for (const asked of this.#unanswered) asked.drop();
      if (this.context.ask === undefined) await this.#ask?.close();
    }
  }

  async #bounded(): Promise<number> {
    const timeoutMs = this.timeoutMs();
    this.#console =
      this.context.console ?? (await import('./console.io.ts')).realConsole(this.context);
    if (timeoutMs === undefined) return this.perform();
    const passed = Promise.withResolvers<never>();
    const cancel = this.console.after(timeoutMs, () => {
      passed.reject(new LotcError('timeout', ''));
    });
    const performed = this.perform();
    performed.catch(() => undefined);
    try {
      return await Promise.race([performed, passed.promise]);
    } catch (error) {
      if (!(error instanceof LotcError) || error.code !== 'timeout' || error.message !== '') {
        throw error;
      }
      throw await this.timedOut(timeoutMs);
    } finally {
      cancel();
    }
  }

  protected timedOut(timeoutMs: number): Promise<LotcError> {
    const message = `no answer within ${formatDurationMs(timeoutMs)}`;
    return Promise.resolve(new LotcError('timeout', message, { hint: 'see --timeout' }));
  }

  protected timeoutMs(): number | undefined {
    const given = durationOf(this.timeout, '--timeout');
    if (given === 0) throw usage('--timeout: a limit of 0 leaves no time to ask anything');
    return given ?? this.defaultTimeoutMs;
  }

  protected get format(): Format {
    return this.json ? 'json' : ((this.output ?? 'table') as Format);
  }

  protected get console(): Console {
    if (!this.#console) throw new Error('no console before execute');
    return this.#console;
  }

  protected get settings(): ConnectSettings {
    const fromEnv = (this.context.env['LOTC_SERVER'] ?? '')
      .split(/\s+/)
      .filter((one) => one !== '');
    return {
      servers: this.servers ?? fromEnv,
      identity: this.identity,
      timeoutMs: this.timeoutMs(),
      keylog: this.keylog ?? this.context.env['LOTC_KEYLOG'],
      plaintext: this.plaintext,
    };
  }

  protected get asker(): Ask {
    this.#ask ??=
      this.context.ask ??
      this.console.connect(this.settings, (text) => {
        this.note(`warning: ${text}`);
      });
    return this.#ask;
  }

  protected open<K extends MessageKind>(
    kind: K,
    body: Draft<K>,
    listening?: Listening<K>,
  ): Asked<K> {
    const asked = this.asker.ask(kind, body, listening);
    this.#unanswered.add(asked);
    const answered = (): void => void this.#unanswered.delete(asked);
    asked.done.then(answered, answered);
    return asked;
  }

  protected ask<K extends MessageKind>(
    kind: K,
    body: Draft<K>,
    listening?: Listening<K>,
  ): Promise<Ok<K>> {
    return this.open(kind, body, listening).done;
  }

  /** A task that is there, or whose history is: another is an error. */
  protected async mustKnow(task: string): Promise<void> {
    const { processes = [] } = await this.query({ query: 'history', task, limit: 1 });
    if (processes.length === 0) await this.query({ query: 'tasks', names: [task] });
  }

  /** All parts of a list in one. */
  protected async query(body: Draft<'retQuery'>): Promise<Ok<'retQuery'>> {
    const parts: Ok<'retQuery'>[] = [];
    parts.push(await this.ask('retQuery', body, { onMore: (part) => void parts.push(part) }));
    const whole: Record<string, unknown> = {};
    for (const part of parts) {
      for (const [key, value] of Object.entries(part)) {
        const before = whole[key];
        whole[key] = Array.isArray(before) ? [...before, ...(value as unknown[])] : value;
      }
    }
    return whole;
  }

  protected write(text: string): void {
    if (text !== '') this.context.stdout.write(text);
  }

  /** For people: stderr, and nothing hostile on a terminal. */
  protected note(text: string): void {
    const { stderr } = this.context;
    stderr.write(`${isTty(stderr) ? printable(text) : text}\n`);
  }

  protected list<T>(view: View<T>, rows: readonly T[]): number {
    this.write(renderList(view, rows, this.format, this.console.nowUs()));
    return 0;
  }

  protected show<T>(view: View<T>, row: T): number {
    this.write(renderOne(view, row, this.format, this.console.nowUs()));
    return 0;
  }

  protected complain(complaints: readonly Complaint[]): void {
    for (const { code, hint, message, node } of complaints) {
      if (this.format === 'json') {
        this.context.stderr.write(`${jsonText({ error: { code, message, node, hint } })}\n`);
        continue;
      }
      this.note(`error: ${message}`);
      if (hint !== undefined && hint !== this.#warned) this.note(`hint: ${hint}`);
      this.#warned = hint ?? '';
    }
  }

  /** Tells an error and answers with its exit code. */
  protected failed(error: unknown): number {
    if (error instanceof Refused && error.answers.some((answer) => !answer.ok)) {
      const { complaints } = judgeAnswers(error.answers);
      this.complain(complaints);
      return error.exitCode;
    }
    this.complain([complaintOf(error)]);
    if (error instanceof LotcError) return error.code === 'usage' ? USAGE : error.exitCode;
    return 1;
  }

  /** Targets as given, with `-` replaced by the names on stdin. */
  protected async targets(words: readonly string[], what: string): Promise<readonly string[]> {
    const targets: string[] = [];
    for (const word of words) {
      if (word === '-') targets.push(...(await this.#namesOnStdin()));
      else targets.push(word);
    }
    if (words.length === 0)
      throw usage(`${what} is missing`, 'a target "-" reads names from stdin');
    if (targets.length === 0) {
      throw new LotcError('nothing-matches', `stdin has no ${what.toLowerCase()}`);
    }
    return targets;
  }

  async #namesOnStdin(): Promise<readonly string[]> {
    const { stdin } = this.context;
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of stdin) {
      text += typeof chunk === 'string' ? chunk : decoder.decode(chunk as Buffer, { stream: true });
    }
    return text.split(/\s+/).filter((word) => word !== '');
  }
}

export function isTty(stream: unknown): boolean {
  return (stream as { isTTY?: boolean | undefined }).isTTY === true;
}

/** TASK, TASK@NODE or a run id. */
export function checkTarget(target: string): string {
  if (isRunId(target)) return target;
  const [task = '', node, ...rest] = target.split('@');
  const fault = nameFault(task) ?? (node === undefined ? undefined : nameFault(node));
  if (rest.length > 0 || fault !== undefined) {
    const why = fault ?? 'a target is TASK, TASK@NODE or a run id';
    throw usage(`target "${target}": ${why}`);
  }
  return target;
}
