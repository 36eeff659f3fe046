/**
 * Every option of a daemon has an environment twin `LOTC_<OPTION>`, so that a unit file or a
 * container needs no wrapper. What the command line says wins.
 */
import { LotcError } from './errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

const nameOf = (option: string): string => `LOTC_${option.toUpperCase().replaceAll('-', '_')}`;

/** Throws `usage` for an option that is given and empty: hardly ever what a script meant. */
export function optionText(
  given: string | undefined,
  option: string,
  env: Env,
): string | undefined {
  if (given === '') {
    throw new LotcError('usage', `--${option} is empty`, {
      hint: 'a variable of a script that is not set? Leave the option out to have its default',
    });
  }
  const value = given ?? env[nameOf(option)];
  return value === '' ? undefined : value;
}

/** A repeated option: its twin's values are separated by blanks. */
export function optionList(
  given: readonly string[] | undefined,
  option: string,
  env: Env,
): readonly string[] {
  if (given !== undefined && given.length > 0) return given;
  return (env[nameOf(option)] ?? '').split(/\s+/).filter((word) => word !== '');
}

/** A flag: its twin is on with 1, true or yes. */
export function optionFlag(given: boolean | undefined, option: string, env: Env): boolean {
  return given ?? ['1', 'true', 'yes'].includes(env[nameOf(option)] ?? '');
}
