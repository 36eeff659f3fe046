/**
 * A whole screen of text lines, drawn with few bytes: of each line that has changed, only what
 * follows its first difference. Pure: lines in, the bytes for the terminal out. It knows nothing
 * of what the lines say, and writes no control character but its own.
 *
 * Reference: ECMA-48 (CUP, EL, SGR); xterm's alternate screen (DECSET 1049).
 */
import { printableLine } from '../../base/printable.ts';
import type { WindowSize } from './context.ts';

export interface ScreenLine {
  readonly text: string;
  /** The line is a bar across the screen. */
  readonly bar?: true;
}

/** The alternate screen with its cursor hidden: what was there before comes back in the end. */
export const SCREEN_ENTER = '\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J';
export const SCREEN_LEAVE = '\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l';

const CLEAR = '\u{1b}[2J';
const CLEAR_REST = '\u{1b}[K';
const BAR = ['\u{1b}[7m', '\u{1b}[0m'] as const;

export class Screen {
  #size: WindowSize;
  #drawn: ScreenLine[] = [];

  constructor(size: WindowSize) {
    this.#size = size;
  }

  get size(): WindowSize {
    return this.#size;
  }

  /** After a resize nothing of the old picture can be counted on. */
  resize(size: WindowSize): string {
    this.#size = size;
    this.#drawn = [];
    return CLEAR;
  }

  /** The bytes that make the screen show these lines; what does not fit is cut. */
  draw(lines: readonly ScreenLine[]): string {
    const { rows, columns } = this.#size;
    let bytes = '';
    const shown = lines.slice(0, rows).map((line) => fitted(line, columns));
    for (let at = 0; at < Math.max(shown.length, this.#drawn.length); at += 1) {
      const line = shown[at] ?? { text: '' };
      bytes += change(at + 1, this.#drawn[at] ?? { text: '' }, line);
    }
    this.#drawn = shown;
    return bytes;
  }
}

function fitted(line: ScreenLine, columns: number): ScreenLine {
  const points = Array.from(printableLine(line.text)).slice(0, columns);
  if (line.bar === true) return { text: points.join('').padEnd(columns), bar: true };
  return { text: points.join('').trimEnd() };
}

function change(row: number, before: ScreenLine, after: ScreenLine): string {
  if (before.text === after.text && before.bar === after.bar) return '';
  if (after.bar === true) return `${to(row, 1)}${BAR[0]}${after.text}${BAR[1]}`;
  const from = before.bar === true ? 0 : sameBefore(before.text, after.text);
  const rest = after.text.slice(from);
  const shorter = before.bar === true || before.text.length > after.text.length;
  return `${to(row, from + 1)}${rest}${shorter ? CLEAR_REST : ''}`;
}

/** Of ASCII alone: there every character is one column. */
function sameBefore(before: string, after: string): number {
  let at = 0;
  while (at < after.length && before[at] === after[at] && after.charCodeAt(at) < 0x7f) at += 1;
  return at;
}

const to = (row: number, column: number): string =>
  `\u{1b}[${row}${column === 1 ? '' : `;${column}`}H`;
