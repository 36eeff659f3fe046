/** Packs its argument and prints what came of it: run as a user who may not read everything. */
import { tmpdir } from 'node:os';
import { LotcError } from '../../src/base/errors.ts';
import { packBundle } from '../../src/store/pack.io.ts';

try {
  const bundle = await packBundle(process.argv[2] ?? '', { tempDirectory: tmpdir() });
  console.log(bundle.digest);
  await bundle.dispose();
} catch (error) {
  console.log(error instanceof LotcError ? `${error.code} ${error.message}` : String(error));
}
