/**
 * The headers of a tar file and nothing else of it: what is judged before a byte is written.
 *
 * Small files stand close together, so one read brings many headers; a large one is jumped over.
 */
import type { FileHandle } from 'node:fs/promises';
import type { EntryHeader } from './archive.ts';
import { TarReader } from './tar-reader.ts';

const LIST_BYTES = 256 * 1024;

/** Throws where the archive is none, or ends too early. */
export async function listTar(
  handle: FileHandle,
  label: string,
  onHeader: (header: EntryHeader, dataOffset: number) => void,
): Promise<void> {
  const reader = new TarReader(label);
  const { size } = await handle.stat();
  const buffer = Buffer.allocUnsafe(LIST_BYTES);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, LIST_BYTES, at);
    if (bytesRead === 0) break;
    for (const event of reader.push(buffer.subarray(0, bytesRead))) {
      if (event.kind === 'entry') onHeader(event.header, event.dataOffset);
    }
    at += bytesRead;
    const jump = Math.min(reader.dataLeft, size - at);
    reader.skip(jump);
    at += jump;
  }
  reader.finish();
}
