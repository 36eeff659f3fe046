/** Help of one command is clipanion's own text, written through this: words for its numbers. */
import { Writable } from 'node:stream';
import { named } from './help.ts';

export function namedOutput(stdout: Writable): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done): void => {
      stdout.write(named(chunk.toString()), () => done());
    },
  });
}
