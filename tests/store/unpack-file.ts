/** A tar in a file, through the unpacker; and what is left of it where it fails: nothing. */
import { createReadStream } from 'node:fs';
import { type Unpacked, Unpacker } from '../../src/store/unpack.io.ts';

export async function unpackFile(
  tarPath: string,
  into: string,
  options: { readonly digest?: string; readonly label?: string } = {},
): Promise<Unpacked> {
  const unpacker = await Unpacker.open(into, options.label ?? tarPath);
  try {
    for await (const chunk of createReadStream(tarPath, { highWaterMark: 256 * 1024 })) {
      await unpacker.write(chunk as Buffer);
    }
    return await unpacker.finish(options.digest);
  } catch (error) {
    await unpacker.abort();
    throw error;
  }
}
