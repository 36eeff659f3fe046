/** The file of `--require-signature`, read once, at the start. */
import { readFileSync } from 'node:fs';
import { LotcError } from '../base/errors.ts';
import { parseSigners } from './signature.ts';

/** Undefined: nothing need be signed. */
export function readSigners(path: string | undefined): ReadonlySet<string> | undefined {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new LotcError('usage', `--require-signature: cannot read ${path}: ${why}`, { cause });
  }
  return parseSigners(text);
}
