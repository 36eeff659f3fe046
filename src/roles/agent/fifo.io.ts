/**
 * FIFOs for the input of runs. Node cannot make one; mkfifo(3) is called through `node:ffi`,
 * loaded when the first is wanted. libc is opened as the program's own (`null`).
 */
import { LotcError } from '../../base/errors.ts';

type Mkfifo = (path: string) => boolean;

let mkfifo: Promise<Mkfifo> | undefined;

async function load(): Promise<Mkfifo> {
  const { dlopen } = await import('node:ffi');
  const { functions } = dlopen(null, {
    mkfifo: { arguments: ['string', 'u32'], return: 'i32' },
  });
  const call = functions['mkfifo'];
  return (path) => call?.(path, 0o600) === 0;
}

export async function makeFifo(path: string): Promise<void> {
  mkfifo ??= load();
  const make = await mkfifo;
  if (!make(path)) throw new LotcError('io', `cannot make the input of the run: ${path}`);
}
