/**
 * The other side of a command, for tests: a scripted server, a clock that tests move, streams
 * that are read as text. Not part of the product.
 */
import { PassThrough, Readable } from 'node:stream';
import { Cli } from 'clipanion';
import { LotcError } from '../../base/errors.ts';
import type { Ack, MessageKind, Ok } from '../../net/layout.ts';
import type { Ask, Asked, ConnectSettings, Download, Draft, Listening, Upload } from './client.ts';
import { commandsFor } from './commands/index.ts';
import type {
  AdminContext,
  Console,
  LoginRequest,
  MadeIdentity,
  NamedText,
  Packed,
  Terminal,
  Unpacking,
} from './context.ts';

export interface Said {
  readonly kind: MessageKind;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What the server says to one request; `done` undefined: it never ends by itself. */
export interface Script {
  readonly ack?: unknown;
  readonly more?: readonly unknown[];
  readonly ok?: unknown;
  readonly error?: Error;
  readonly silent?: boolean;
}

type Scripted = Script | ((body: Said['body']) => Script);
export type Scripts = Partial<Record<MessageKind, Scripted>>;

export class FakeAsk implements Ask {
  readonly said: Said[] = [];
  readonly uploads: string[] = [];
  contents: Record<string, Uint8Array> = {};
  readonly dropped: MessageKind[] = [];
  closed = false;
  readonly #scripts: Scripts;
  readonly #open = new Map<MessageKind, (script: Script) => Promise<void>>();

  constructor(scripts: Scripts) {
    this.#scripts = scripts;
  }

  ask<K extends MessageKind>(kind: K, body: Draft<K>, listening: Listening<K> = {}): Asked<K> {
    this.said.push({ kind, body });
    const script: Scripted | undefined = this.#scripts[kind];
    const done = Promise.withResolvers<Ok<K>>();
    const play = async ({ ack, error, more = [], ok, silent }: Script): Promise<void> => {
      if (ack !== undefined) listening.onAck?.(ack as Ack<K>);
      for (const part of more) await listening.onMore?.(part as Ok<K>);
      if (error) done.reject(error);
      else if (silent !== true) done.resolve((ok ?? {}) as Ok<K>);
    };
    this.#open.set(kind, play);
    const played = typeof script === 'function' ? script(body) : script;
    if (played === undefined) done.reject(new LotcError('internal', `nothing scripted: ${kind}`));
    else void Promise.resolve().then(() => play(played));
    return {
      done: done.promise,
      drop: () => {
        this.dropped.push(kind);
        done.reject(new LotcError('cancelled', 'interrupted'));
      },
    };
  }

  /** Goes on with a request that was `silent`. */
  async then_(kind: MessageKind, script: Script): Promise<void> {
    await this.#open.get(kind)?.(script);
  }

  async upload(upload: Upload, onProgress?: (doneBytes: number) => void): Promise<void> {
    this.uploads.push(upload.digest);
    onProgress?.(upload.sizeBytes);
    return Promise.resolve();
  }

  download({ digest }: Download, take: (data: Uint8Array) => void): Promise<void> {
    const content = this.contents[digest];
    if (!content) throw new LotcError('no-such-bundle', `there is no content ${digest}`);
    for (let at = 0; at < content.length; at += 1000) take(content.subarray(at, at + 1000));
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  last(kind: MessageKind): Said['body'] | undefined {
    return this.said.findLast((said) => said.kind === kind)?.body;
  }
}

interface Timer {
  dueMs: number;
  readonly callback: () => void;
}

export class FakeConsole implements Console {
  readonly ask: FakeAsk;
  atUs = 1_800_000_000_000_000;
  timers: Timer[] = [];
  signal: ((signal: 'SIGINT' | 'SIGTERM') => void) | undefined;
  tty: Terminal | undefined;
  settings: unknown;
  packed: Packed | undefined;
  files: Record<string, string> = {};
  /** Bytes by directory. */
  readonly unpacked: Record<string, number> = {};
  unsafe: string[] = [];
  /** Time passes by itself whenever somebody waits. */
  skips = false;
  /** What would be written, should the console end in any other way. */
  exitText: string | undefined;
  #nowMs = 0;

  constructor(ask: FakeAsk) {
    this.ask = ask;
  }

  nowUs(): number {
    return this.atUs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, callback };
    this.timers.push(timer);
    if (this.skips) void Promise.resolve().then(() => this.pass(ms));
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.#nowMs);
    this.timers = this.timers.filter((timer) => !due.includes(timer));
    for (const { callback } of due) callback();
  }

  onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void {
    this.signal = listener;
    return () => {
      this.signal = undefined;
    };
  }

  terminal(): Terminal | undefined {
    return this.tty;
  }

  atExit(text: string): () => void {
    this.exitText = text;
    return () => {
      this.exitText = undefined;
    };
  }

  noInput(): Readable {
    return Readable.from([]);
  }

  connect(settings: unknown): Ask {
    this.settings = settings;
    return this.ask;
  }

  makeToken() {
    return Promise.resolve({ secret: 'lotc1.secret.pin', spki: 'ab'.repeat(32) });
  }

  readFile(path: string): Promise<Uint8Array> {
    return Promise.resolve(Buffer.from(this.files[path] ?? ''));
  }

  readToken(path: string): Promise<string> {
    return Promise.resolve(`token of ${path}`);
  }

  readonly logins: LoginRequest[] = [];

  login(_: ConnectSettings, request: LoginRequest): Promise<MadeIdentity> {
    this.logins.push(request);
    const { name = 'ann-laptop' } = request;
    return Promise.resolve({ name, role: 'operator', path: '/home/ann/identity.json' });
  }

  readTexts(path: string): Promise<readonly NamedText[]> {
    const text = this.files[path];
    if (text === undefined) throw new LotcError('usage', `cannot read ${path}`);
    return Promise.resolve([{ file: path, text }]);
  }

  readonly replaced: NamedText[] = [];

  replaceFile(file: string, text: string): Promise<void> {
    this.replaced.push({ file, text });
    return Promise.resolve();
  }

  unpack(into: string): Promise<Unpacking> {
    this.unpacked[into] = 0;
    return Promise.resolve({
      write: (data) => {
        this.unpacked[into] = (this.unpacked[into] ?? 0) + data.length;
      },
      finish: () => ({ files: 1, skipped: this.unsafe }),
      close: () => undefined,
    });
  }

  pack(): Promise<Packed> {
    if (!this.packed) throw new LotcError('io', 'cannot read it');
    return Promise.resolve(this.packed);
  }
}

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ask: FakeAsk;
  readonly console: FakeConsole;
}

export interface RunOptions {
  readonly stdin?: string;
  /** Instead of `stdin`: it goes on until the test ends it. */
  readonly keys?: PassThrough;
  readonly env?: Record<string, string>;
  /** stdout and stderr are terminals. */
  readonly tty?: boolean;
  prepare?(console: FakeConsole): void;
  /** While the command runs. */
  during?(console: FakeConsole): Promise<void>;
}

/** Runs `lotc admin <words>` against a script. Parser errors are 2, as in the real command line. */
export async function run(
  words: readonly string[],
  scripts: Scripts,
  options: RunOptions = {},
): Promise<Ran> {
  const ask = new FakeAsk(scripts);
  const console = new FakeConsole(ask);
  options.prepare?.(console);
  const stdin = options.keys ?? new PassThrough();
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = { stdout: '', stderr: '' };
  for (const [name, stream] of [
    ['stdout', stdout],
    ['stderr', stderr],
  ] as const) {
    stream.on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString('utf8');
    });
    if (options.tty === true) Object.assign(stream, { isTTY: true });
  }
  if (!options.keys) stdin.end(options.stdin ?? '');
  const context = { stdin, stdout, stderr, env: options.env ?? {}, colorDepth: 1, console };
  const line = ['admin', ...words];
  const cli = Cli.from([...(await commandsFor(line))], { binaryName: 'lotc' }) as Cli<AdminContext>;
  let exitCode: number;
  try {
    const running = cli.run(cli.process(line, context), context);
    await options.during?.(console);
    exitCode = await running;
  } catch (error) {
    texts.stderr += (error as Error).message;
    exitCode = 2;
  }
  await new Promise((resolve) => setImmediate(resolve));
  return { exitCode, ...texts, ask, console };
}

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
