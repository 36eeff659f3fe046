/**
 * `batch`: subcommands from stdin, one a line, over one connection. Each line is parsed and
 * carried out as if it stood on a command line of its own, in order.
 */
import { Cli, Command, type CommandClass, Option } from 'clipanion';
import { findMistake } from '../../../base/mistake.ts';
import { plainLine } from '../../../base/plain-line.ts';
import { AdminCommand, usage } from '../command.ts';
import type { AdminContext } from '../context.ts';
import { complaintOf, PARTIAL } from '../outcome.ts';
import { shellWords } from '../shell-words.ts';

const USAGE = 2;
/** Beginnings of lines whose parser is kept. */
const KEPT = 1_000;

export class Batch extends AdminCommand {
  static override paths = [['admin', 'batch']];
  static override usage = Command.Usage({
    category: 'Fleet',
    description: 'Read subcommands from stdin, one a line',
    details:
      'One connection for all of them. Quotes and backslashes as in a shell; empty lines and ' +
      '`#` comments are skipped. Ends at the first line that fails, with its code, unless ' +
      '`--keep-going`.',
    examples: [
      ['Three orders', "printf '%s\\n' 'start web' 'wait web --for running' 'ps' | $0 admin batch"],
      ['A script of orders', '$0 admin batch --keep-going < orders.txt'],
    ],
  });

  keepGoing = Option.Boolean('--keep-going', false, { description: 'Go on after a failure' });
  protected override defaultTimeoutMs: number | undefined = undefined;
  readonly #commands = new Map<string, readonly CommandClass[]>();
  readonly #clis = new Map<string, Cli<AdminContext>>();
  #lineEnv: Record<string, string | undefined> | undefined;

  /** The limit is each line's own. */
  protected override timeoutMs(): number | undefined {
    super.timeoutMs();
    return undefined;
  }

  protected override async perform(): Promise<number> {
    const codes: number[] = [];
    let number = 0;
    for await (const line of linesOf(this.context.stdin)) {
      number += 1;
      const code = await this.#line(line, number);
      if (code === undefined) continue;
      codes.push(code);
      if (code !== 0 && !this.keepGoing) return code;
    }
    const failed = codes.filter((code) => code !== 0);
    const [first = 0] = failed;
    const common = failed.length === codes.length && failed.every((code) => code === first);
    return failed.length === 0 || common ? first : PARTIAL;
  }

  /** The line's exit code; undefined where there is nothing to do. */
  async #line(line: string, number: number): Promise<number | undefined> {
    let words: readonly string[] = [];
    try {
      words = ['admin', ...shellWords(line)];
      if (words.length === 1) return undefined;
      if (words[1] === 'batch') throw usage('batch: a batch within a batch');
      return await this.#execute(words);
    } catch (error) {
      const parser = error instanceof Error && 'clipanion' in error;
      const found = parser
        ? findMistake((await this.#cliFor(words)).definitions(), 'lotc', words)
        : undefined;
      const { code, message, hint } = { ...complaintOf(error), ...found };
      const text = parser ? (message.split('\n')[0] ?? '') : message;
      this.complain([{ code: parser ? 'usage' : code, message: `line ${number}: ${text}`, hint }]);
      return parser || code === 'usage' ? USAGE : 1;
    }
  }

  /** The commands a line may mean; looked up once for lines that begin alike. */
  async #commandsFor(words: readonly string[]): Promise<readonly CommandClass[]> {
    const key = words.slice(0, 3).join(' ');
    const known = this.#commands.get(key);
    if (known) return known;
    const { commandsFor } = await import('./index.ts');
    const chosen = await commandsFor(words);
    if (this.#commands.size < KEPT) this.#commands.set(key, chosen);
    return chosen;
  }

  async #cliFor(words: readonly string[]): Promise<Cli<AdminContext>> {
    const key = words.slice(0, 3).join(' ');
    let cli = this.#clis.get(key);
    if (cli === undefined) {
      cli = Cli.from([...(await this.#commandsFor(words))], {
        binaryName: 'lotc',
      }) as Cli<AdminContext>;
      compileOnce(cli);
      if (this.#clis.size < KEPT) this.#clis.set(key, cli);
    }
    return cli;
  }

  async #execute(words: readonly string[]): Promise<number> {
    const context = this.#lineContext();
    const plain = plainLine(await this.#commandsFor(words), words, context);
    if (plain) return await plain.validateAndExecute();
    const cli = await this.#cliFor(words);
    return cli.run(cli.process([...words], context), context);
  }

  #lineContext(): AdminContext {
    const { env, stderr, stdout } = this.context;
    const { console } = this;
    this.#lineEnv ??= {
      ...{ ...env, LOTC_OUTPUT: this.format },
      ...(this.timeout === undefined ? {} : { LOTC_TIMEOUT: this.timeout }),
    };
    return {
      ...{ stdout, stderr, env: this.#lineEnv, colorDepth: 1, ask: this.asker, console },
      // Hardly any line reads it.
      get stdin() {
        return console.noInput();
      },
    };
  }
}

/** clipanion builds its parser anew for each line; the same commands have the same parser. */
function compileOnce(cli: unknown): void {
  const { builder } = cli as { readonly builder: { compile(): unknown } };
  const compiled = builder.compile();
  builder.compile = () => compiled;
}

async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}
