/** What is wrong with a manifest, in words: what stands there, what was expected. */
import { nearest } from '../../../base/nearest.ts';
import { type Kind, keysOf } from './kinds.ts';

export type Plain = Readonly<Record<string, unknown>>;
export type Path = readonly (string | number)[];

export const spelled = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
export const ask = (near: string | undefined): string | undefined =>
  near === undefined ? undefined : `did you mean "${near}"?`;

export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) at = (at as Plain | null | undefined)?.[step];
  return at;
}

export function mistake(kind: Kind, value: Plain, path: Path): string {
  const name = path.filter((step) => typeof step === 'string').join('.');
  const found = valueAt(value, path);
  const keys = keysOf(kind);
  const key = keys.find((one) => one.path === name);
  const deeper = keys.find((one) => name.startsWith(`${one.path}.`) || one.path === name);
  const inList = path.length > (key?.path.split('.').length ?? path.length);
  const says =
    inList || !key
      ? deeper
        ? deeper.shaped.type === 'after'
          ? deeper.shaped.says
          : 'a string; write it in quotes'
        : `a map of ${subKeys(kind, name).join(', ')}`
      : key.shaped.says;
  const shown = /\.(policy|select)$/.test(name) && found !== undefined ? name.split('.')[0] : name;
  if (found === undefined) return `${shown} is missing; expected ${says}`;
  return `${shown}: expected ${says}; found ${spelled(found)}`;
}

const subKeys = (kind: Kind, name: string): readonly string[] =>
  keysOf(kind)
    .filter(({ path }) => path.startsWith(`${name}.`))
    .map(({ path }) => path.slice(name.length + 1));

const isAfter = (kind: Kind, [first]: Path): boolean =>
  keysOf(kind).some(({ path, shaped }) => path === first && shaped.type === 'after');

export function stranger(
  kind: Kind,
  path: Path,
  key: string,
): { readonly message: string; readonly hint: string | undefined } {
  const name = path.join('.');
  const all = isAfter(kind, path)
    ? ['task', 'on']
    : name === ''
      ? keysOf(kind).map((one) => one.path.split('.')[0] ?? '')
      : subKeys(kind, name);
  const known = [...new Set(['kind', ...all])].filter((one) => name === '' || one !== 'kind');
  const where = name === '' ? `a ${kind}` : name;
  const message = `unknown key "${key}"; ${where} has ${known.join(', ')}`;
  if (kind === 'Schedule' && key === 'in')
    return { message, hint: 'a manifest names instants: write at, or every' };
  return { message, hint: ask(nearest(key, known)) };
}
