/**
 * The options that define a task, for `task create` and `task set`: from the command line to a
 * spec, by the table of task-fields.ts. What is not given keeps its old value, or is absent (and
 * then the default holds); an empty value takes it out.
 */
import { Option } from 'clipanion';
import type { Shape } from '../../net/layout.ts';
import type { View } from './cells.ts';
import { AdminCommand, checkName, usage } from './command.ts';
import { addOptions, readOptions } from './field-options.ts';
import { readSecrets } from './secrets.ts';
import { taskFields } from './task-fields.ts';
import { readWords } from './words.ts';

type Spec = Shape<'spec'>;

export abstract class TaskDefinition extends AdminCommand {
  disabled = Option.Boolean('--disabled', false, {
    description: 'It does not start until enabled',
  });
  envFile = Option.Array('--env-file', [], {
    description: 'FILE of NAME=VALUE lines: variables kept secret; repeats',
  });
  secret = Option.Array('--secret', [], {
    description: 'NAME=FILE: a file $LOTC_SECRETS/NAME that only the run reads; repeats',
  });
  /** Undefined where `--` comes before it. */
  name: string | undefined = Option.String({ name: 'NAME' });
  command = readWords();

  constructor() {
    super();
    addOptions(this, taskFields);
  }

  protected task(): string {
    if (this.name === undefined) throw usage('NAME is missing');
    return checkName(this.name, 'task');
  }

  /** What can be judged without knowing the task. */
  protected checkOptions(): void {
    this.task();
    const [extra] = this.command.words;
    if (extra !== undefined)
      throw usage(`unexpected argument "${extra}"`, 'the command follows --');
    if (this.command.tail?.length === 0) throw usage('there is no command after --');
    if (this.command.tail?.[0] === '') throw usage('the command is empty');
    readOptions(this, taskFields);
  }

  protected async spec(old: Spec | undefined): Promise<Spec> {
    this.checkOptions();
    const words = { envFiles: this.envFile, secrets: this.secret };
    const secrets = await readSecrets(words, old, (path) => this.console.readFile(path));
    const command = this.command.tail ?? old?.command;
    if (command === undefined) {
      throw usage(
        'the command is missing',
        `write it after --, for instance: ${this.task()} -- ./run`,
      );
    }
    const given = readOptions(this, taskFields, old);
    const spec = Object.entries({ ...old, ...given, ...secrets, command });
    return Object.fromEntries(spec.filter(([, value]) => value !== undefined)) as unknown as Spec;
  }

  /** Prints the task's name, or with --json the whole task. */
  protected async defined(
    tasks: readonly Shape<'task'>[] | undefined,
    view: View<Shape<'task'>>,
  ): Promise<number> {
    if (this.format !== 'json') {
      this.write(`${this.task()}\n`);
      return 0;
    }
    const known = tasks ?? (await this.query({ query: 'tasks', names: [this.task()] })).tasks ?? [];
    const [task] = known;
    return task === undefined ? 0 : this.show(view, task);
  }
}
