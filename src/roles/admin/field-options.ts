/** Fields (fields.ts) as options of a command: declared when it is built, read when it runs. */
import { type Command, Option } from 'clipanion';
import { type Field, fromWords } from './fields.ts';

type Fields = readonly Field<string>[];

/** To be called by the command's constructor: clipanion finds options among its properties. */
export function addOptions(command: Command, fields: Fields): void {
  const options = command as unknown as Record<string, unknown>;
  for (const { about: description, form, option } of fields) {
    options[option] = form.repeats
      ? Option.Array(option, { description })
      : Option.String(option, { description });
  }
}

/** What was given, by the keys of the protocol; undefined where a value is taken out. */
export function readOptions(
  command: Command,
  fields: Fields,
  old: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const options = command as unknown as Record<string, string | readonly string[] | undefined>;
  const given: Record<string, unknown> = {};
  for (const field of fields) {
    const words = options[field.option] ?? [];
    Object.assign(given, fromWords(field, typeof words === 'string' ? [words] : words, old));
  }
  return given;
}
