/**
 * The last lines a process wrote to stderr, for the reason of its end: read once, when it has
 * ended badly, from the end of its file, however long that is.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../../base/limits.ts';
import { printable } from '../../base/printable.ts';
import type { End } from '../../supervisor/end.ts';

export interface Said {
  /** The run's directory of logs. */
  readonly logs: string;
  /** What stderr held when the launch began: the rest is its own. */
  readonly saidBytes: number;
}

export function stderrBytes(logs: string): number {
  return statSync(join(logs, 'stderr'), { throwIfNoEntry: false })?.size ?? 0;
}

export function withTail(end: End, { logs, saidBytes }: Said): End {
  if (end.how === 'code' && end.value === 0) return end;
  const tail = lastLines(join(logs, 'stderr'), saidBytes);
  return tail === '' ? end : { ...end, tail };
}

/** The last lines of these streams, each after its name; empty where they are. */
export function lastOutput(directory: string, streams = ['stdout', 'stderr']): string {
  const said = streams.map((name) => [name, lastLines(join(directory, name), 0)] as const);
  const [only, ...more] = said.filter(([, text]) => text !== '');
  if (only === undefined) return '';
  if (more.length === 0) return only[1];
  return [only, ...more].map(([name, text]) => `${name}: ${text}`).join('; ');
}

/** Whole lines where one fits, joined by ` | `; empty where there is nothing to read. */
function lastLines(path: string, saidBytes: number): string {
  const buffer = Buffer.alloc(limits.stderrTailBytes);
  let text = '';
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    const from = Math.max(saidBytes, size - buffer.length);
    text = buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from));
    if (from > saidBytes) text = text.slice(text.indexOf('\n', 0) + 1) || text;
  } catch {
    // What cannot be read is not told; the end itself is known all the same.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  const lines = text.replaceAll('\0', '').split('\n');
  return printable(lines.filter((line) => line.trim() !== '').join(' | '));
}
