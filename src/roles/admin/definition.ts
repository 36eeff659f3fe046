/**
 * The options that define a task, for `task create` and `task set`: from the command line to a
 * spec. What is not given keeps its old value, or is absent (and then the default holds).
 */
import { Option } from 'clipanion';
import { parseSignal } from '../../base/signals.ts';
import type { Shape } from '../../net/layout.ts';
import type { View } from './cells.ts';
import { checkName, checkOn, countOf, durationOf, parseEnv, usage } from './command.ts';
import { LimitOptions } from './limit-options.ts';
import { readWords } from './words.ts';

type Spec = Shape<'spec'>;

export abstract class TaskDefinition extends LimitOptions {
  bundle = Option.String('--bundle', { description: 'The code it runs (default: none)' });
  on = Option.String('--on', {
    description: "Where it belongs, a selector (default: its bundle's nodes, or @all)",
  });
  user = Option.String('--user', { description: "Runs as this user (default: the agent's own)" });
  cwd = Option.String('--cwd', { description: 'Directory, in the run directory unless absolute' });
  env = Option.Array('--env', [], { description: 'K=V; repeats' });
  stopSignal = Option.String('--stop-signal', { description: 'What stop sends (default TERM)' });
  stopGrace = Option.String('--stop-grace', {
    description: 'How long stop waits before it kills (default 10s)',
  });
  restart = Option.String('--restart', {
    description: 'no, on-failure or always: whether a run that ends begins again (default no)',
  });
  backoff = Option.String('--backoff', {
    description: 'MIN..MAX: the wait before a restart, doubled each time (default 1s..5m)',
  });
  maxRestarts = Option.String('--max-restarts', {
    description: 'Restarts in a row before the run is failed (default: no bound)',
  });
  keepRuns = Option.String('--keep-runs', { description: 'Ended runs kept (default 100)' });
  keepFor = Option.String('--keep-for', { description: 'How long (default 30d)' });
  disabled = Option.Boolean('--disabled', false, {
    description: 'It does not start until enabled',
  });
  /** Undefined where `--` comes before it. */
  name: string | undefined = Option.String({ name: 'NAME' });
  command = readWords();

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
    if (this.bundle) checkName(this.bundle, '--bundle');
    if (this.on) checkOn(this.on);
    if (this.command.tail?.length === 0) throw usage('there is no command after --');
    if (this.command.tail?.[0] === '') throw usage('the command is empty');
    this.#numbers();
  }

  protected spec(old: Spec | undefined): Spec {
    this.checkOptions();
    const command = this.command.tail ?? old?.command;
    if (command === undefined) {
      throw usage(
        'the command is missing',
        `write it after --, for instance: ${this.task()} -- ./run`,
      );
    }
    const given = {
      ...given1('bundle', this.bundle),
      ...given1('on', this.on),
      ...given1('user', this.user),
      ...given1('cwd', this.cwd),
      ...this.#numbers(),
      ...(this.env.length === 0 ? {} : { env: this.#env(old?.env) }),
    };
    const spec: Record<string, unknown> = { ...old, ...given, command };
    for (const [key, value] of Object.entries(spec))
      if (value === '' || value === undefined) delete spec[key];
    return spec as Spec;
  }

  #numbers(): Partial<Spec> {
    const { stopSignal } = this;
    return {
      ...given1('stopSignal', stopSignal && parseSignal(stopSignal, '--stop-signal')),
      ...given1('stopGraceMs', durationOf(this.stopGrace, '--stop-grace')),
      ...given1('restart', restartOf(this.restart)),
      ...backoffOf(this.backoff),
      ...given1('maxRestarts', countOf(this.maxRestarts, '--max-restarts', 0)),
      ...given1('keepRuns', countOf(this.keepRuns, '--keep-runs')),
      ...given1('keepForMs', durationOf(this.keepFor, '--keep-for')),
      ...this.limits(),
    };
  }

  /** `K-` takes a variable of the old definition out. */
  #env(old: Readonly<Record<string, string>> = {}): Record<string, string> {
    const out = this.env.filter((pair) => pair.endsWith('-') && !pair.includes('='));
    const env = { ...old, ...parseEnv(this.env.filter((pair) => !out.includes(pair))) };
    return Object.fromEntries(Object.entries(env).filter(([key]) => !out.includes(`${key}-`)));
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

const restarts = ['no', 'on-failure', 'always'];

function restartOf(text: string | undefined): string | undefined {
  if (text === undefined || restarts.includes(text)) return text;
  throw usage(`--restart: "${text}" is none of ${restarts.join(', ')}`);
}

function backoffOf(text: string | undefined): Partial<Spec> {
  if (text === undefined) return {};
  const [least, most, ...more] = text.split('..');
  if (!least || !most || more.length > 0) {
    throw usage(`--backoff: "${text}" is not MIN..MAX`, 'for instance: --backoff 1s..5m');
  }
  const backoffMinMs = durationOf(least, '--backoff') ?? 0;
  const backoffMaxMs = durationOf(most, '--backoff') ?? 0;
  if (backoffMinMs > backoffMaxMs) throw usage(`--backoff: ${least} is more than ${most}`);
  return { backoffMinMs, backoffMaxMs };
}

function given1<K extends keyof Spec>(key: K, value: Spec[K]): Partial<Spec> {
  return value === undefined ? {} : { [key]: value };
}
