/**
 * Reads a plain command line: the command's words, options it has, each with its value, and as
 * many other words as it takes. Almost every line is plain, and to read one needs no state
 * machine; clipanion builds one out of the same form for each line, which costs a cold console
 * more than the server's answer does.
 *
 * Answers for what it is sure of, and with what clipanion would have read; any other line (`--`,
 * help, letters run together, a mistake) is left to clipanion, which also has the words for it.
 */
import { type BaseContext, Command, type CommandClass } from 'clipanion';

/** What clipanion's parser hands to the options of a command. */
interface Read {
  readonly options: { name: string; value: string | true }[];
  /** `extra`: one that may be missing. */
  readonly positionals: { value: string; extra: boolean }[];
}

interface OptionForm {
  readonly names: readonly string[];
  readonly arity?: number;
  readonly required?: boolean;
}

/** An option of a command, as it was declared. */
interface Spec {
  definition(form: Form, key: string): void;
  transformer(form: Form, key: string, read: Read, context: BaseContext): unknown;
}

/** What a command takes, as its options tell clipanion's builder. */
class Form {
  readonly options: OptionForm[] = [];
  /** Rest takes words up to here. */
  readonly arity = { leading: { length: Number.POSITIVE_INFINITY } };
  must = 0;
  may = 0;

  addOption(option: OptionForm): void {
    this.options.push(option);
  }

  addPositional({ required = true }: { required?: boolean }): void {
    if (required) this.must += 1;
    else this.may += 1;
  }

  addRest({ required = 0 }: { required?: number }): void {
    this.must += required;
    this.may = Number.POSITIVE_INFINITY;
  }

  /** There is no machine here to add to. */
  compile(): void {}
}

/** The command, ready to run; undefined where the line is not plain. */
export function plainLine(
  commands: readonly CommandClass[],
  words: readonly string[],
  context: BaseContext,
): Command | undefined {
  const [chosen, ...others] = commands;
  const [path, ...paths] = chosen?.paths ?? [];
  if (!chosen || !path || others.length + paths.length > 0) return undefined;
  const command = new chosen();
  const fields = command as unknown as Record<string, unknown>;
  const form = new Form();
  const specs = Object.entries(fields).filter((field): field is [string, Spec] => isSpec(field[1]));
  for (const [key, spec] of specs) spec.definition(form, key);
  const read = readPlain(form, words.slice(path.length));
  if (!read) return undefined;
  command.context = context;
  command.path = [...path];
  for (const [key, spec] of specs) fields[key] = spec.transformer(form, key, read, context);
  return command;
}

function isSpec(value: unknown): value is Spec {
  return typeof value === 'object' && value !== null && Command.isOption in value;
}

function readPlain(
  { options: known, must, may }: Form,
  words: readonly string[],
): Read | undefined {
  const options: Read['options'] = [];
  const values: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!isOption(word)) {
      values.push(word);
      continue;
    }
    const bound = word.indexOf('=');
    const name = bound < 0 ? word : word.slice(0, bound);
    const { arity } = known.find(({ names }) => names.includes(name)) ?? {};
    if (arity === 0 && bound < 0) options.push({ name, value: true });
    else if (arity !== 1) return undefined;
    else if (bound >= 0) options.push({ name, value: word.slice(bound + 1) });
    else {
      at += 1;
      const value = words[at];
      if (value === undefined || isOption(value)) return undefined;
      options.push({ name, value });
    }
  }
  const given = (names: readonly string[]): boolean =>
    options.some(({ name }) => names.includes(name));
  const missing = known.some(({ names, required = false }) => required && !given(names));
  if (missing || values.length < must || values.length > must + may) return undefined;
  const few = may < Number.POSITIVE_INFINITY;
  const positionals = values.map((value, at) => ({ value, extra: few && at >= must }));
  return { options, positionals };
}

const isOption = (word: string): boolean => word.startsWith('-') && word !== '-';
