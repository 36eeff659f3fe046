/**
 * What sockets read is memory outside V8's heap, garbage as soon as it is copied or written on.
 * V8 counts it against the limit at which it collects the whole heap, and little is allocated in
 * the heap meanwhile, so that the young are seldom collected: a push brought a whole collection
 * every 8 MiB, which cost more than the hash of its content. So the young are collected by what
 * is read, which takes a fraction of a millisecond: almost nothing of them is alive.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_BYTES = 4 * 1024 * 1024;

type Collect = (options: { readonly type: 'minor' }) => void;

let readBytes = 0;
let collect: Collect | undefined;

/** To be told of everything that is read. */
export function readFromSocket(bytes: number): void {
  readBytes += bytes;
  if (readBytes < EVERY_BYTES) return;
  readBytes = 0;
  collect ??= exposed();
  collect({ type: 'minor' });
}

/** The one way to it that is not a flag of the command line. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
