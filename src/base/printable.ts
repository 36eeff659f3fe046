/**
 * Remote text on a terminal: control characters are shown, not obeyed.
 *
 * What a program printed, or a peer called itself, may hold sequences that move the cursor, set
 * the title or answer as the user's own keys. On a TTY everything but newline and tab of C0, DEL,
 * C1 (as code points and as stray bytes), the bidirectional controls and invalid UTF-8 becomes
 * `\x1b` style text. Where the output is not a TTY bytes pass as they are: this file is not asked.
 * Background: "Terminal escape injection", CVE-2003-0063 and its many successors.
 */
import { isUtf8 } from 'node:buffer';

/* biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject */
// oxlint-disable-next-line no-control-regex
const HOSTILE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** One piece of whole text. */
export function printable(text: string): string {
  return text.replaceAll(HOSTILE, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** As `printable`, on one line: newlines and tabs are shown too. For names and table cells. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** A stream of bytes that may be cut inside a character. */
export class PrintableStream {
  #rest: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): string {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const cut = bytes.length - openTail(bytes);
    this.#rest = bytes.slice(cut);
    return printable(decode(bytes.subarray(0, cut)));
  }

  /** What is left over at the end of the stream, shown as the bytes it is. */
  end(): string {
    const text = decode(this.#rest);
    this.#rest = new Uint8Array(0);
    return printable(text);
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Invalid bytes one by one as `\xNN`, valid characters between them as they are. */
function decode(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return decoder.decode(bytes);
  let text = '';
  let good = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    const fits = length > 0 && at + length <= bytes.length;
    if (fits && (length === 1 || isUtf8(bytes.subarray(at, at + length)))) {
      at += length;
      continue;
    }
    text += decoder.decode(bytes.subarray(good, at));
    text += `\\x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`;
    at += 1;
    good = at;
  }
  return text + decoder.decode(bytes.subarray(good));
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/** How many bytes at the end begin a character that is not complete yet. */
function openTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}
