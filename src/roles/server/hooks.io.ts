/**
 * The hooks of a server: programs that are started, and addresses that are posted to, when
 * something happens. Nothing here is waited for by the server; where each hook stands lies below
 * `private/hooks`, a file for each target.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { eventFields } from '../../net/event.ts';
import { writeFileDurably } from '../../store/durable.io.ts';
import type { HistoryRow, ServerJournal } from '../../store/journal.ts';
import { SERVER } from './controller.ts';
import type { ServerCore } from './core.ts';
import { cursorAt, type HookEvent, HookPump, knownCursor } from './hook-pump.ts';
import type { HookRule } from './hook-rule.ts';
import { eventsOf } from './watches.ts';

export interface HooksOptions {
  readonly directory: string;
  readonly rules: readonly HookRule[];
  readonly giveUpMs: number;
  readonly core: ServerCore;
  readonly journal: ServerJournal;
  readonly log: Log;
}

const PAGE = 1_000;
/** Of what a program says when it fails, and of how an address answers. */
const TAIL_BYTES = 400;
/** A program that was told to end by TERM has this long. */
const GRACE_MS = 2_000;

/** Programs that are not there are an operator's mistake, told before anything is opened. */
export function checkPrograms(rules: readonly HookRule[]): void {
  for (const { target, isUrl } of rules) {
    if (isUrl) continue;
    try {
      accessSync(target, constants.X_OK);
      if (!statSync(target).isFile()) throw new Error('it is no file');
    } catch (cause) {
      const text = `--hook: ${target} is no program that can be started: ${(cause as Error).message}`;
      throw new LotcError('usage', text);
    }
  }
}

/** Returns how to stop; what was not told by then is told at the next start. */
export function openHooks(options: HooksOptions): () => Promise<void> {
  const { directory, rules, core } = options;
  const known = new Set(rules.map(fileOf));
  if (rules.length > 0) mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of namesIn(directory)) {
    // One that comes back later begins anew.
    if (!known.has(name)) rmSync(join(directory, name), { force: true });
  }
  if (rules.length === 0) return () => Promise.resolve();
  const hooks = rules.map((rule) => new Hook(rule, options));
  core.controller.onChange((change, seq) => {
    if (change.events.length === 0) return;
    const events = eventsOf(change, seq);
    for (const hook of hooks) hook.pump.offer(events, seq);
  });
  for (const hook of hooks) hook.pump.start();
  const timer = setInterval(() => hooks.forEach((hook) => hook.mark()), limits.hookMarkMs);
  return async () => {
    clearInterval(timer);
    await Promise.all(hooks.map((hook) => hook.close()));
  };
}

const fileOf = ({ target }: HookRule): string =>
  `${createHash('sha256').update(target).digest('hex').slice(0, 16)}.json`;

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

class Hook {
  readonly pump: HookPump;
  readonly #rule: HookRule;
  readonly #log: Log;
  readonly #path: string;
  readonly #ended = new AbortController();
  #written = '';
  #writing: Promise<void> | undefined;

  constructor(rule: HookRule, options: HooksOptions) {
    const { directory, giveUpMs, core, journal, log } = options;
    this.#rule = rule;
    this.#log = log;
    this.#path = join(directory, fileOf(rule));
    const { seq } = core.state;
    const cursor = readCursor(this.#path, seq) ?? cursorAt(seq);
    this.pump = new HookPump(
      { rule, cursor, giveUpMs },
      {
        monotonicMs: () => performance.now(),
        later: (ms, then) => {
          setTimeout(() => this.#ended.signal.aborted || then(), ms).unref();
        },
        history: (afterSeq, then) => this.#read(journal, afterSeq, then),
        deliver: (event, done) => this.#deliver(event, done),
        save: () => this.mark(),
        tell: (eventKind, text) => {
          core.controller.submit('told', { eventKind, text }, SERVER, () => undefined);
        },
        log: (text, facts) => log('warn', text, facts),
      },
    );
    this.mark();
  }

  /** One write at a time; what is written is where the hook stands by then. */
  mark(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    try {
      for (let text = this.#textNow(); text !== this.#written; text = this.#textNow()) {
        await writeFileDurably(this.#path, text);
        this.#written = text;
      }
    } catch (error) {
      const reason = (error as Error).message;
      this.#log('warn', 'where a hook stands cannot be kept', { reason });
    }
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#writing;
    this.mark();
    await this.#writing;
  }

  #read(journal: ServerJournal, afterSeq: number, then: (rows: HistoryRow[]) => void): void {
    const failed = (error: Error): void => {
      if (this.#ended.signal.aborted) return;
      this.#log('warn', 'events cannot be read for a hook', { reason: error.message });
      setTimeout(() => this.#read(journal, afterSeq, then), limits.hookRetryMinMs).unref();
    };
    journal.history({ kind: 'event', afterSeq, limit: PAGE }).then(then, failed);
  }

  readonly #textNow = (): string => `${JSON.stringify(this.pump.cursor)}\n`;

  #deliver(entry: HookEvent, done: (fault: string | undefined) => void): void {
    const told = async (): Promise<void> => {
      const fault = await this.#tell(entry);
      if (!this.#ended.signal.aborted) done(fault);
    };
    void told();
  }

  /** What went wrong, if something did. */
  async #tell(entry: HookEvent): Promise<string | undefined> {
    const { target, isUrl } = this.#rule;
    const { signal } = this.#ended;
    try {
      await (isUrl ? post(target, entry, signal) : start(target, entry, signal));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

function readCursor(path: string, endSeq: number) {
  try {
    return knownCursor(JSON.parse(readFileSync(path, 'utf8')), endSeq);
  } catch {
    return undefined;
  }
}

const idOf = ({ event: { seq }, n }: HookEvent): string => `${seq}.${n}`;

const bodyOf = (entry: HookEvent): string =>
  `${JSON.stringify({ id: idOf(entry), ...eventFields(entry.event) })}\n`;

/** Anything but 2xx is a failure. */
async function post(url: string, entry: HookEvent, ended: AbortSignal): Promise<void> {
  const timeout = AbortSignal.timeout(limits.hookMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'lotc-event-kind': entry.event.eventKind,
        'lotc-event-id': idOf(entry),
      },
      body: bodyOf(entry),
      redirect: 'error',
      signal: AbortSignal.any([timeout, ended]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`it answered ${response.status}`);
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error };
    const late = timeout.aborted ? `no answer within ${limits.hookMs} ms` : undefined;
    throw new Error(late ?? (cause?.message || message), { cause: error });
  }
}

/** Of the server's environment a program gets what any program needs, and no `LOTC_` of it. */
function environmentFor({ event, n }: HookEvent): Record<string, string> {
  const env: Record<string, string> = { PATH: '/usr/local/bin:/usr/bin:/bin' };
  for (const name of ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'TZ']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const { eventKind, task, node, run } = event;
  const facts = { kind: eventKind, id: idOf({ event, n }), task, node, run };
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) env[`LOTC_EVENT_${name.toUpperCase()}`] = value;
  }
  return env;
}

/** The event on its standard input; it has 30 s, and is to end with 0. */
function start(path: string, entry: HookEvent, ended: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [], {
      cwd: '/',
      detached: true,
      env: environmentFor(entry),
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    const kill = (signal: NodeJS.Signals): void => {
      try {
        process.kill(-(child.pid ?? 0), signal);
      } catch {
        // Nothing of it is left.
      }
    };
    let late = false;
    const timers: NodeJS.Timeout[] = [];
    const end = (): void => {
      if (child.pid === undefined) return;
      kill('SIGTERM');
      timers.push(setTimeout(() => kill('SIGKILL'), GRACE_MS));
    };
    timers.push(
      setTimeout(() => {
        late = true;
        end();
      }, limits.hookMs),
    );
    ended.addEventListener('abort', end);
    const over = (fault: string | undefined): void => {
      for (const timer of timers) clearTimeout(timer);
      ended.removeEventListener('abort', end);
      child.stderr.destroy();
      if (fault === undefined) resolve();
      else reject(new Error(fault));
    };
    child.stdin.on('error', () => undefined);
    child.stderr.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-TAIL_BYTES);
    });
    child.once('error', (error) => over(error.message));
    // Not `close`: what it left behind may hold stderr open for long.
    child.once('exit', (code, signal) => {
      if (late) over(`it did not end within ${limits.hookMs} ms`);
      else if (code === 0) over(undefined);
      else
        over(`it ended with ${signal ?? `code ${code}`}${said === '' ? '' : `: ${said.trim()}`}`);
    });
    child.stdin.end(bodyOf(entry));
  });
}
