/**
 * What is wrong with a command line, in one line, and where to read on. The parser knows only
 * that no form fits, and lists them all; which part of the line does not fit is found here, from
 * the same forms. Answers for what it is sure of: anything else is left to the parser's words.
 */
import { nearest } from './nearest.ts';

/** A command as the parser describes it. */
export interface CommandForm {
  /** All its words, the program's name first. */
  readonly path: string;
  /** The path, then what stands behind it: `<NAME>` must, `[ID]` may, `...` for more. */
  readonly usage?: string | undefined;
  /** `definition`: its names and, where it takes a value, a word behind them. */
  readonly options: readonly { readonly definition: string; readonly required: boolean }[];
}

export interface Mistake {
  readonly message: string;
  readonly hint: string;
}

/** Each form under all the paths of its command: the parser describes only the first. */
export function formsOf(
  described: readonly CommandForm[],
  program: string,
  commands: readonly { readonly paths?: string[][] }[],
): readonly CommandForm[] {
  const byPath = new Map(described.map((form) => [form.path, form]));
  return commands.flatMap(({ paths = [] }) => {
    const all = paths.map((words) => [program, ...words].join(' '));
    const form = byPath.get(all[0] ?? '');
    return form ? all.map((path) => ({ ...form, path })) : [];
  });
}

/** What is wrong with the `words` behind the program's name; undefined where that is not clear. */
export function findMistake(
  forms: readonly CommandForm[],
  program: string,
  words: readonly string[],
): Mistake | undefined {
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  const firstFlag = own.findIndex(isOption);
  const line = [program, ...(firstFlag === -1 ? own : own.slice(0, firstFlag))];
  for (let length = line.length; length > 0; length -= 1) {
    const level = line.slice(0, length).join(' ');
    const form = forms.find(({ path }) => path === level);
    if (form) return optionMistake(form, own.slice(length - 1));
    const below = forms.filter(({ path }) => path.startsWith(`${level} `));
    if (below.length > 0) return levelMistake(level, below, line[length]);
  }
  return undefined;
}

function levelMistake(
  level: string,
  below: readonly CommandForm[],
  word: string | undefined,
): Mistake {
  const hint = `see: ${level} --help`;
  if (word === undefined) return { message: `"${level}" wants a command`, hint };
  const next = new Set(below.map(({ path }) => path.slice(level.length + 1).split(' ')[0] ?? ''));
  const near = nearest(word, [...next]);
  return {
    message: `there is no command "${level} ${word}"`,
    hint: near === undefined ? hint : `did you mean "${level} ${near}"? ${hint}`,
  };
}

function optionMistake(form: CommandForm, words: readonly string[]): Mistake | undefined {
  const { path, options } = form;
  const given: string[] = [];
  const known = new Map<string, boolean>();
  for (const { definition } of options) {
    const [names = '', value] = definition.split(' ');
    for (const name of names.split(',')) known.set(name, value !== undefined);
  }
  const hint = `see: ${path} --help`;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!isOption(word)) {
      given.push(word);
      continue;
    }
    const bound = word.indexOf('=');
    const name = bound < 0 ? word : word.slice(0, bound);
    const takesValue = known.get(name);
    // Letters run together (`-fn5`) are the parser's to read.
    if (takesValue === undefined && !name.startsWith('--')) return undefined;
    if (takesValue === undefined) return unknownOption(name, path, [...known.keys()]);
    if (!takesValue && bound >= 0) return { message: `option "${name}" takes no value`, hint };
    if (!takesValue || bound >= 0) continue;
    at += 1;
    const value = words[at];
    if (value === undefined || isOption(value)) {
      const isMeant = value !== undefined && !known.has(value.split('=')[0] ?? '');
      const way = isMeant ? `one that begins with "-" is written ${name}=${value}; ` : '';
      return { message: `option "${name}" wants a value`, hint: `${way}${hint}` };
    }
  }
  const missing = options.find(({ definition, required }) => {
    const names = (definition.split(' ')[0] ?? '').split(',');
    return required && !words.some((word) => names.includes(word.split('=')[0] ?? ''));
  });
  if (!missing) return argumentMistake(form, given);
  return { message: `option "${missing.definition.split(' ')[0] ?? ''}" is missing`, hint };
}

function argumentMistake({ path, usage = '...' }: CommandForm, given: readonly string[]) {
  const hint = `see: ${path} --help`;
  const must = [...usage.matchAll(/<([A-Z][A-Z-]*)>/g)].map(([, name]) => name);
  const absent = must[given.length];
  if (absent !== undefined) return { message: `${absent} is missing`, hint };
  const word = given[must.length];
  if (word === undefined || /\.\.\.|\[[A-Z]/.test(usage)) return undefined;
  return { message: `unexpected argument "${word}"`, hint };
}

function unknownOption(name: string, path: string, known: readonly string[]): Mistake {
  const near = nearest(name, known);
  const hint = `see: ${path} --help`;
  return {
    message: `"${path}" has no option "${name}"`,
    hint: near === undefined ? hint : `did you mean "${near}"? ${hint}`,
  };
}

const isOption = (word: string): boolean => word.startsWith('-') && word !== '-';
