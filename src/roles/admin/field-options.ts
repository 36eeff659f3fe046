/** Fields (fields.ts) as options of a command: declared when it is built, read when it runs. */
import { type Command, Option } from 'clipanion';
import { type Field, fromWords } from './fields.ts';

type Fields = readonly Field<string>[];

/** To be called by the command's constructor: clipanion finds options among its properties. */
export function addOptions(command: Command, fields: Fields): void {
  const options = command as unknown as Record<string, unknown>;
  for (const { about: description, form, option } of fields) {
    options[option] =
      form.shaped.type === 'bool'
        ? Option.Boolean(option, { description })
        : form.shaped.type === 'preempt'
          ? Option.String(option, { description, tolerateBoolean: true })
          : form.repeats
            ? Option.Array(option, { description })
            : Option.String(option, { description });
  }
}

type Given = string | boolean | readonly string[] | undefined;

/** An empty word takes a value out, and so does a flag with `--no-`. */
function wordsOf(given: Given): readonly string[] {
  if (given === undefined) return [];
  if (typeof given === 'boolean') return [given ? 'true' : ''];
  return typeof given === 'string' ? [given] : given;
}

/** What was given, by the keys of the protocol; undefined where a value is taken out. */
export function readOptions(
  command: Command,
  fields: Fields,
  old: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const options = command as unknown as Record<string, Given>;
  const given: Record<string, unknown> = {};
  for (const field of fields) {
    Object.assign(given, fromWords(field, wordsOf(options[field.option]), old));
  }
  return given;
}
