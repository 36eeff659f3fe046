/**
 * Files carried inside the executable (`seaConfig.assets` in scripts/build.ts): the shim and the
 * bundle's own source. Straight from the sources they are the files that `make` leaves in build/.
 * Refuses to know what is in them. The bytes are read-only: inside the executable they are a
 * view of its own image, not a copy.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getRawAsset, isSea } from 'node:sea';

/** The bytes of the asset `name`; never write to them. */
export function asset(name: string): Uint8Array {
  if (isSea()) return new Uint8Array(getRawAsset(name));
  return readFileSync(join(import.meta.dirname, '../../build', name));
}
