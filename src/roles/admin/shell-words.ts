/**
 * A line cut into words as a POSIX shell would, without any of its substitutions: blanks part
 * words, `'…'` takes all as it is, `"…"` and the bare text know backslashes, `#` at the
 * beginning of a word begins a comment. Pure.
 */
import { LotcError } from '../../base/errors.ts';

const PIECE = /([^\s'"\\]+)|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/y;

export function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && /\s/.test(line[at] ?? '')) at += 1;
    if (at >= line.length || line[at] === '#') return words;
    let word = '';
    while (at < line.length && !/\s/.test(line[at] ?? '')) {
      PIECE.lastIndex = at;
      const piece = PIECE.exec(line);
      if (!piece)
        throw new LotcError('usage', `a quote or backslash has no end: ${line.slice(at)}`);
      const [, bare, single, double, escaped] = piece;
      word += bare ?? single ?? escaped ?? (double ?? '').replaceAll(/\\([\\"$`])/g, '$1');
      at = PIECE.lastIndex;
    }
    words.push(word);
  }
}
