/**
 * Names of nodes, tasks, bundles and schedules. One rule for all of them (CLI contract, "Names"):
 * they stand in paths, selectors and shell words, so nothing that could mean something there.
 */
import { limits } from './limits.ts';

const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;

export function isName(text: string): boolean {
  return text.length <= limits.nameBytes && NAME.test(text) && !text.includes('..');
}

/** Why `text` is no name, as the end of a sentence; undefined when it is one. */
export function nameFault(text: string): string | undefined {
  if (isName(text)) return undefined;
  if (text === '') return 'a name cannot be empty';
  if (text.length > limits.nameBytes) return `a name has at most ${limits.nameBytes} characters`;
  return 'a name has only a-z, 0-9, ".", "_" and "-", begins and ends with a letter or digit, and has no ".."';
}
