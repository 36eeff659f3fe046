/**
 * `top`: what processes use, as it goes. On a terminal a picture that is drawn again and again,
 * until q; elsewhere one table. The terminal is as it was before on every way out.
 */
import { Command, Option } from 'clipanion';
import { parseDurationMs } from '../../../base/duration.ts';
import type { Shape } from '../../../net/layout.ts';
import { AdminCommand, checkOn, checkTarget, usage } from '../command.ts';
import type { Terminal } from '../context.ts';
import { SCREEN_ENTER, SCREEN_LEAVE, Screen } from '../screen.ts';
import { sortSamples, TopFrame, type TopOrder, topOrders } from '../top-frame.ts';
import { views } from '../views.ts';

const EVERY_MIN_MS = 200;
const keys: Readonly<Record<string, TopOrder>> = { c: 'cpu', m: 'memory', n: 'name' };
/** q, and what raw mode makes of Ctrl-C, Ctrl-D and a lone Escape. */
const quits = new Set(['q', 'Q', '\u{3}', '\u{4}', '\u{1b}']);

export class Top extends AdminCommand {
  static override paths = [['admin', 'top']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Watch what processes use',
    details:
      'The last readings of nodes and processes, those that use most first; nodes send new ones ' +
      'every 5 s. Keys: q ends, c, m and n sort by CPU, memory and name. Without a terminal, or ' +
      'with `-o`, it prints one table and ends.',
    examples: [
      ['Everything', '$0 admin top'],
      ['One zone, by memory', '$0 admin top --on zone=a --sort memory'],
    ],
  });

  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  sort = Option.String('--sort', 'cpu', { description: 'cpu, memory or name (default cpu)' });
  every = Option.String('--every', '2s', { description: 'How often to ask (default 2s)' });
  names = Option.Rest({ name: 'TARGET' });
  #order: TopOrder = 'cpu';

  protected override timeoutMs(): number | undefined {
    const given = super.timeoutMs();
    return this.timeout === undefined ? undefined : given;
  }

  protected override async perform(): Promise<number> {
    const order = topOrders.find((one) => one === this.sort);
    if (order === undefined)
      throw usage(`--sort: "${this.sort}" is none of ${topOrders.join(', ')}`);
    this.#order = order;
    const everyMs = parseDurationMs(this.every, '--every');
    if (everyMs < EVERY_MIN_MS) throw usage('--every: at least 200ms');
    const terminal = this.output === undefined && !this.json ? this.console.terminal() : undefined;
    if (terminal) return this.#live(terminal, everyMs);
    return this.list(views.stats, sortSamples(await this.#samples(), order));
  }

  async #samples(): Promise<readonly Shape<'sample'>[]> {
    const on = checkOn(this.on);
    const about = { names: this.names.map(checkTarget), ...(on === undefined ? {} : { on }) };
    return (await this.query({ query: 'stats', ...about })).samples ?? [];
  }

  async #live(terminal: Terminal, everyMs: number): Promise<number> {
    // What can be refused is refused on the screen that stays.
    let samples = await this.#samples();
    const [screen, frame] = [new Screen(terminal.size()), new TopFrame()];
    const draw = (): void => {
      const state = { samples, order: this.#order, nowUs: this.console.nowUs() };
      this.write(screen.draw(frame.lines(state, screen.size)));
    };
    const over = Promise.withResolvers<void>();
    using scope = new DisposableStack();
    scope.defer(this.console.atExit(SCREEN_LEAVE));
    scope.defer(() => this.write(SCREEN_LEAVE));
    scope.defer(() => terminal.raw(false));
    terminal.raw(true);
    this.write(SCREEN_ENTER);
    scope.defer(
      this.#listen((order) => {
        this.#order = order;
        draw();
      }, over.resolve),
    );
    scope.defer(this.console.onSignal(() => over.resolve()));
    scope.defer(
      terminal.onResize(() => {
        this.write(screen.resize(terminal.size()));
        frame.reset();
        draw();
      }),
    );
    for (let isOver = false; !isOver; ) {
      draw();
      isOver = await this.#pause(everyMs, over.promise);
      if (!isOver) samples = (await Promise.race([this.#samples(), over.promise])) ?? samples;
    }
    return 0;
  }

  /** True: it is over. */
  async #pause(ms: number, over: Promise<void>): Promise<boolean> {
    const due = Promise.withResolvers<boolean>();
    const cancel = this.console.after(ms, () => due.resolve(false));
    try {
      return await Promise.race([due.promise, over.then(() => true)]);
    } finally {
      cancel();
    }
  }

  #listen(sort: (order: TopOrder) => void, quit: () => void): () => void {
    const { stdin } = this.context;
    const onData = (data: Buffer | string): void => {
      const typed = data.toString();
      // Arrow keys and their like are one sequence that begins with Escape: none means anything.
      for (const key of typed.length > 1 && typed.startsWith('\u{1b}') ? [] : typed) {
        const order = keys[key];
        if (order) sort(order);
        else if (quits.has(key)) quit();
      }
    };
    stdin.on('data', onData);
    stdin.on('end', quit);
    return () => {
      stdin.removeListener('data', onData);
      stdin.removeListener('end', quit);
      stdin.pause();
    };
  }
}
