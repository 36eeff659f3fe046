/**
 * One ad-hoc command while it runs: output from its runs, input to them, signals and the window
 * size from this console. Ends when the server says that all runs have ended.
 */
import { limits } from '../../base/limits.ts';
import type { MessageKind, Ok, Shape } from '../../net/layout.ts';
import type { Asked, Draft, Listening } from './client.ts';
import { isTty } from './command.ts';
import type { AdminContext, Console, Terminal } from './context.ts';
import { LogPrinter } from './log-printer.ts';
import { programExit } from './outcome.ts';
import { Output } from './output.ts';

type Open = <K extends MessageKind>(kind: K, body: Draft<K>, listening?: Listening<K>) => Asked<K>;

export interface ExecutionSettings {
  readonly open: Open;
  readonly console: Console;
  readonly streams: Pick<AdminContext, 'stdin' | 'stdout' | 'stderr'>;
  /** With it the program gets a terminal, and this one goes raw. */
  readonly terminal: Terminal | undefined;
  readonly json: boolean;
  /** Prefix lines even where there is one node: a batch of one among others. */
  readonly prefixed: boolean;
  readonly stdin: boolean;
  readonly failFast: boolean;
}

/** Ctrl-C so many times, and the console leaves; the server then stops the program. */
const SIGNALS_UNTIL_LEAVING = 3;
const LEAVING = 'note: once more to leave; the program is then stopped\n';

export class Execution {
  interrupted = false;
  readonly #settings: ExecutionSettings;
  /** Final rows, each told as its run ends. */
  readonly #ended: Shape<'process'>[] = [];
  #begunOn: readonly string[] = [];
  #operation: string | undefined;
  #output: Output | undefined;
  #json: LogPrinter | undefined;
  #signals = 0;
  #waiting: string[] = [];
  readonly #cleanups: (() => void)[] = [];
  readonly #seen = new Map<
    string,
    { readonly node: string; readonly run: string; readonly stream: string }
  >();

  constructor(settings: ExecutionSettings) {
    this.#settings = settings;
  }

  /** Where it has begun, and not ended as far as is known here. */
  get open(): readonly string[] {
    const ended = new Set(this.#ended.map(({ node }) => node));
    return this.#begunOn.filter((node) => !ended.has(node)).sort();
  }

  async run(spec: Shape<'spec'>, on: string): Promise<Ok<'retExec'>> {
    const { console, open, stdin, terminal } = this.#settings;
    const asked = open(
      'retExec',
      {
        ...{ spec, on },
        ...(stdin || terminal ? { stdin: true } : {}),
        ...(terminal ? { tty: true, ...terminal.size() } : {}),
      },
      {
        onAck: ({ operation, processes }) => this.#begun(operation, processes),
        onMore: (part) => this.#take(part),
      },
    );
    this.#cleanups.push(console.onSignal((signal) => this.#signal(signal, asked)));
    try {
      const last = await asked.done;
      await this.#take(last);
      await this.#flush();
      return { ...last, processes: [...this.#ended, ...(last.processes ?? [])] };
    } finally {
      for (const cleanup of this.#cleanups.reverse()) cleanup();
    }
  }

  #begun(operation: string, processes: readonly Shape<'process'>[]): void {
    const { json, prefixed, stdin, streams, terminal } = this.#settings;
    this.#operation = operation;
    this.#begunOn = processes.map(({ node }) => node ?? '');
    const { stdout } = streams;
    const write = (text: string | Uint8Array): Promise<void> => written(stdout, text);
    if (json) {
      this.#json = new LogPrinter({ json, prefixed: true, follow: true, shown: false, write });
    }
    this.#output = new Output({
      prefixed: !terminal && (prefixed || processes.length > 1),
      shown: (stream) => terminal === undefined && isTty(this.#streamOf(stream)),
    });
    for (const signal of this.#waiting.splice(0)) this.#input({ signal });
    if (stdin || terminal) this.#pump();
    if (terminal) {
      terminal.raw(true);
      this.#cleanups.push(() => terminal.raw(false));
      this.#cleanups.push(terminal.onResize(() => this.#input(terminal.size())));
    }
  }

  #streamOf(stream: string): NodeJS.WritableStream {
    const { stderr, stdout } = this.#settings.streams;
    return stream === 'stderr' ? stderr : stdout;
  }

  async #take(part: Ok<'retExec'>): Promise<void> {
    const { data, node = '', process, run = '', stream = 'stdout' } = part;
    if (data !== undefined && data.length > 0) {
      if (this.#json) return this.#json.push(part);
      this.#seen.set(`${run} ${stream}`, { node, run, stream });
      const text = this.#output?.push({ node, run, stream, data }) ?? data;
      if (text.length > 0) await written(this.#streamOf(stream), text);
    }
    if (process !== undefined) this.#ended.push(process);
    if (process === undefined || !this.#settings.failFast || this.interrupted) return undefined;
    if (process.processState === 'exited' && programExit(process) === 0) return undefined;
    this.interrupted = true;
    this.#input({ signal: 'SIGTERM' });
    return undefined;
  }

  async #flush(): Promise<void> {
    if (this.#json) return this.#json.end();
    for (const { node, run, stream } of this.#seen.values()) {
      const rest = this.#output?.end(node, run, stream) ?? '';
      if (rest.length > 0) await written(this.#streamOf(stream), rest);
    }
    return undefined;
  }

  #signal(signal: string, asked: Asked<'retExec'>): void {
    this.#signals += 1;
    this.interrupted = true;
    if (this.#signals >= SIGNALS_UNTIL_LEAVING) {
      asked.drop();
      return;
    }
    if (this.#signals === SIGNALS_UNTIL_LEAVING - 1) this.#settings.streams.stderr.write(LEAVING);
    if (this.#operation === undefined) this.#waiting.push(signal);
    else this.#input({ signal });
  }

  /** Input nobody waits for: where the session is gone the command has ended anyway. */
  #input(body: Draft<'retInput'>): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    this.#settings.open('retInput', { operation, ...body }).done.catch(() => undefined);
  }

  /** stdin to the runs, a piece at a time: the next when the last is written. */
  #pump(): void {
    const { open, streams } = this.#settings;
    const operation = this.#operation ?? '';
    const stdin = streams.stdin as NodeJS.ReadableStream & { unref?: () => void };
    const send = async (data: Uint8Array): Promise<void> => {
      stdin.pause();
      for (let at = 0; at < data.length; at += limits.chunkBytes) {
        const piece = data.subarray(at, at + limits.chunkBytes);
        await open('retInput', { operation, data: piece }).done;
      }
      stdin.resume();
    };
    // The end may be heard while the last piece is still on its way.
    let sent: Promise<void> = Promise.resolve();
    const onData = (chunk: Uint8Array | string): void => {
      const data = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      sent = sent.then(() => send(data)).catch(() => undefined);
    };
    const onEnd = (): void => void sent.then(() => this.#input({ last: true }));
    stdin.on('data', onData).on('end', onEnd);
    stdin.resume();
    this.#cleanups.push(() => {
      stdin.removeListener('data', onData).removeListener('end', onEnd);
      stdin.pause();
      stdin.unref?.();
    });
  }
}

function written(stream: NodeJS.WritableStream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => void stream.write(text, () => resolve()));
}
