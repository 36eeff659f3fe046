/** `results`: the files that runs left behind, fetched from the server. */
import { Command, Option } from 'clipanion';
import { isRunId } from '../../../base/ids.ts';
import { isName } from '../../../base/names.ts';
import { printable } from '../../../base/printable.ts';
import type { Shape } from '../../../net/layout.ts';
import { AdminCommand, checkOn, checkTarget, isTty, usage } from '../command.ts';
import { PARTIAL, placeOf } from '../outcome.ts';
import { progressLine } from '../progress.ts';
import { jsonText } from '../render.ts';
import { keptView } from '../result-views.ts';

type Kept = Shape<'kept'>;

interface Fetched {
  readonly row: Kept;
  readonly path: string;
  readonly files: number;
  readonly skipped: readonly string[];
  /** Nothing of it was unsafe to write. */
  readonly whole: boolean;
}

export class Results extends AdminCommand {
  static override paths = [['admin', 'results']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Fetch the result files of ended runs: NAME -C DIR',
    details:
      'Of tasks with `--results`: by default of the latest run on each node. They are written ' +
      'to DIR/NODE/RUN/, and that path is printed. Files on their way are waited for; a node ' +
      'that is away has what it had delivered, and delivers the rest when it is back. What is ' +
      'not safe to write is left out and named, and the exit code is 7.',
    examples: [
      ['What the last runs left', '$0 admin results crawl -C ./out'],
      [
        'One run, into a directory of its own',
        '$0 admin results crawl --run RQ6KVQ52SY2Y --flat -C ./out',
      ],
      ['What there is', '$0 admin results crawl --all --list'],
    ],
  });

  run = Option.String('--run', { description: 'Of this run' });
  last = Option.Boolean('--last', false, {
    description: 'Of the latest run on each node (default)',
  });
  all = Option.Boolean('--all', false, { description: 'Of all runs that are kept' });
  on = Option.String('--on', { description: 'Only of these nodes (a selector)' });
  listing = Option.Boolean('--list', false, { description: 'Tell which there are; fetch nothing' });
  flat = Option.Boolean('--flat', false, { description: 'Of a single run: right into DIR' });
  into = Option.String('-C,--directory', { description: 'Where to; it is made' });
  name = Option.String({ name: 'NAME' });
  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    const given = [this.run !== undefined, this.last, this.all].filter(Boolean);
    if (given.length > 1) throw usage('one of --run, --last and --all');
    if (this.run !== undefined && !isRunId(this.run)) throw usage(`--run: "${this.run}" is no run`);
    const { into, listing } = this;
    if (into === undefined && !listing) throw usage('-C DIR is missing', 'or --list, to look only');
    const rows = await this.#rows();
    if (listing || into === undefined) return this.list(keptView, rows);
    if (this.flat && rows.length > 1) {
      throw usage(`--flat is for a single run; these are ${rows.length}`, 'name one: --run RUN');
    }
    return this.#fetchAll(rows, into);
  }

  async #rows(): Promise<readonly Kept[]> {
    const on = checkOn(this.on);
    const { keeps = [] } = await this.query({
      ...{ query: 'results', names: [checkTarget(this.name)] },
      ...(this.run === undefined ? {} : { run: this.run }),
      ...(on === undefined ? {} : { on }),
      ...(this.all ? { all: true } : {}),
      ...(this.listing ? {} : { wait: true }),
    });
    return keeps.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  }

  async #fetchAll(rows: readonly Kept[], into: string): Promise<number> {
    const fetched: Fetched[] = [];
    const unsafe = rows.filter((row) => !isSafePlace(row));
    for (const { node, run } of unsafe)
      this.complain([{ code: 'bad-archive', message: `not written: ${node}/${run} is no place` }]);
    for (const row of rows.filter(isSafePlace)) {
      const what = `${placeOf(row)} ${row.run}`;
      const { digest, reason, skipped = [] } = row;
      for (const one of skipped) this.note(`warning: ${what}: left out: ${one}`);
      if (digest === undefined) {
        if (reason === undefined) this.note(`note: ${what}: no file matched`);
        else {
          const message = `no result files of ${what}: ${reason}`;
          this.complain([{ code: 'failed', message, node: row.node }]);
        }
        continue;
      }
      fetched.push(await this.#fetch(row, digest, into));
    }
    if (this.format === 'json') this.write(`${jsonText(fetched.map(fetchedJson))}\n`);
    else if (this.format === 'name') this.write(fetched.map(({ row }) => `${row.run}\n`).join(''));
    else this.write(fetched.map(({ path }) => `${printable(path)}\n`).join(''));
    const failed = rows.filter(({ digest, reason }) => digest === undefined && reason);
    const all = failed.length === 0 && unsafe.length === 0;
    if (all && fetched.every(({ whole }) => whole)) return 0;
    return failed.length === rows.length ? 1 : PARTIAL;
  }

  async #fetch(row: Kept, digest: string, into: string): Promise<Fetched> {
    const { run, node = '', sizeBytes = 0 } = row;
    const path = this.flat ? into : `${into.replace(/\/+$/, '')}/${node}/${run}`;
    const sink = await this.console.unpack(path);
    const show = this.#progress(`${placeOf(row)} ${run}`);
    let done = 0;
    try {
      await this.asker.download({ digest, sizeBytes }, (data) => {
        sink.write(data);
        done += data.length;
        show(done, sizeBytes);
      });
      const { files, skipped } = sink.finish(digest);
      for (const one of skipped) this.note(`warning: ${placeOf(row)} ${run}: not written: ${one}`);
      const all = [...(row.skipped ?? []), ...skipped];
      return { row, path, files, skipped: all, whole: skipped.length === 0 };
    } finally {
      show();
      sink.close();
    }
  }

  /** Without figures it goes away. */
  #progress(title: string): (done?: number, total?: number) => void {
    const { stderr } = this.context;
    let shown = '';
    return (done, total = 0) => {
      const line = done === undefined ? '' : progressLine(title, done, total);
      if (line === shown || !isTty(stderr)) return;
      stderr.write(`\r\x1b[K${line}`);
      shown = line;
    };
  }
}

/** Its node and its run name directories here; that they are names is nobody else's to promise. */
const isSafePlace = ({ node = '', run }: Kept): boolean => isName(node) && isRunId(run);

const fetchedJson = ({ row, path, files, skipped }: Fetched): Record<string, unknown> => ({
  ...{ task: row.task ?? null, node: row.node ?? null, run: row.run },
  ...{ path, files, sizeBytes: row.sizeBytes ?? 0, skipped },
});
