/** What `apply` and `diff` share: manifests read, asked about, and told. */
import { Option } from 'clipanion';
import { LotcError } from '../../../base/errors.ts';
import { isGlob } from '../../../base/selector.ts';
import { encodeSequence } from '../../../net/codec.ts';
import type { Ok, Shape } from '../../../net/layout.ts';
import { AdminCommand, countOf, usage } from '../command.ts';
import { type Change, changesOf, changeView, planText } from './plan-view.ts';
import { type Fault, readManifests, type Source } from './read.ts';

const ENDINGS = ['.yaml', '.yml', '.json'];
/** What is wrong beyond so many faults is not worth a screen. */
const FAULTS_TOLD = 20;

/** Everything that is wrong with manifests, told fault by fault. */
class Faulty extends LotcError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super('usage', 'the manifests are wrong');
    this.faults = faults;
  }
}

export abstract class ManifestCommand extends AdminCommand {
  files = Option.Array('-f,--file', [], {
    description: 'FILE, - (stdin) or DIR (its .yaml, .yml and .json); repeats',
  });
  prune = Option.Boolean('--prune', false, {
    description: 'What no document names goes: tasks that do not run, and schedules of tasks',
  });
  selector = Option.Array('--selector', [], {
    description: 'With --prune: only tasks and schedules of these names or globs; repeats',
  });
  ifRevision = Option.String('--if-revision', {
    description: 'Only if each task that changes is at this revision (0: it is not there)',
  });

  protected async documents(): Promise<readonly Shape<'document'>[]> {
    if (this.files.length === 0) throw usage('-f is missing', 'for instance: -f tasks.yaml');
    if (this.selector.length > 0 && !this.prune) throw usage('--selector goes with --prune');
    for (const text of this.selector) {
      if (!isGlob(text))
        throw usage(`--selector: "${text}" is no name of tasks or schedules, nor a glob over them`);
    }
    const sources: Source[] = [];
    for (const path of this.files) {
      if (path === '-') sources.push({ file: 'stdin', text: await this.#stdin() });
      else sources.push(...(await this.console.readTexts(path, ENDINGS)));
    }
    const { documents, faults } = readManifests(sources);
    if (faults.length > 0) throw new Faulty(faults);
    if (documents.length === 0) throw usage(`${this.files.join(', ')}: there is no manifest in it`);
    return documents;
  }

  async #stdin(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.context.stdin) chunks.push(Buffer.from(chunk as Buffer));
    return Buffer.concat(chunks).toString('utf8');
  }

  protected async changes(
    documents: readonly Shape<'document'>[],
    dryRun: boolean,
  ): Promise<readonly Change[]> {
    const rows: Shape<'change'>[] = [];
    const take = ({ changes }: Ok<'depApply'>): void => void rows.push(...changes);
    const ifRevision = countOf(this.ifRevision, '--if-revision', 0);
    const asked = await this.ask(
      'depApply',
      {
        documents: encodeSequence('document', documents),
        ...(this.prune ? { prune: true } : {}),
        ...(this.selector.length > 0 ? { names: this.selector } : {}),
        ...(ifRevision === undefined ? {} : { ifRevision }),
        ...(dryRun ? { dryRun } : {}),
      },
      { onMore: take },
    );
    take(asked);
    return changesOf(rows, documents);
  }

  protected tell(changes: readonly Change[], documents: number, done: boolean): void {
    if (this.format === 'json' || this.format === 'name') this.list(changeView, changes);
    else this.write(planText(changes, documents, done));
  }

  protected override failed(error: unknown): number {
    if (!(error instanceof Faulty)) return super.failed(error);
    const told = error.faults.slice(0, FAULTS_TOLD);
    this.complain(
      told.map(({ place, message, hint }) => {
        return { code: 'usage', message: `${place}: ${message}`, hint };
      }),
    );
    const more = error.faults.length - told.length;
    if (more > 0) this.note(`and ${more} more`);
    return error.exitCode;
  }
}
