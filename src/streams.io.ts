/**
 * What a command sees of this process. Each stream is opened when a command first uses it: few
 * read stdin or write to stderr, and to open one takes a millisecond.
 */
import type { BaseContext } from 'clipanion';

const opened = new Set<NodeJS.WritableStream & { readonly writableLength: number }>();

function open<Stream extends NodeJS.WriteStream>(stream: Stream): Stream {
  opened.add(stream);
  return stream;
}

export const ownContext: BaseContext = {
  env: process.env,
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return open(process.stdout);
  },
  get stderr() {
    return open(process.stderr);
  },
  colorDepth: 1,
};

/** Whether everything that was said has left this process; what could not is about to be told. */
export function allWritten(): boolean {
  if (opened.has(process.stdout) && process.stdout.errored) return false;
  return [...opened].every(({ writableLength }) => writableLength === 0);
}
