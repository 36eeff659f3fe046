/**
 * Tar headers by hand, for tests: whatever a hostile or an ancient archive may say, also what no
 * tool writes. Every field is as asked; only the checksum is right.
 */

export interface RawEntry {
  readonly name: string | Uint8Array;
  readonly type?: string;
  readonly mode?: number;
  readonly link?: string;
  readonly prefix?: string;
  readonly magic?: string;
  readonly body?: string | Uint8Array;
  /** Stated; otherwise that of the body. */
  readonly size?: number;
  readonly base256?: boolean;
}

export function rawEntry(entry: RawEntry): Uint8Array {
  const body = Buffer.from(entry.body ?? '');
  const size = entry.size ?? body.length;
  const block = Buffer.alloc(512);
  block.set(Buffer.from(entry.name).subarray(0, 100), 0);
  block.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100);
  block.write('0001750\0', 108);
  block.write('0001750\0', 116);
  if (entry.base256 === true) {
    block[124] = 0x80;
    block.writeUInt32BE(size, 132);
  } else {
    block.write(`${size.toString(8).padStart(11, '0')} `, 124);
  }
  block.write('14524770000\0', 136);
  block.write('        ', 148);
  block.write(entry.type ?? '0', 156, 'latin1');
  block.write(entry.link ?? '', 157, 100);
  block.write(entry.magic ?? 'ustar\x0000', 257, 'latin1');
  block.write('somebody', 265);
  block.write(entry.prefix ?? '', 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** With the end mark and a record's worth of zeros, as tar writes it. */
export function rawTar(...entries: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([...entries, Buffer.alloc(10_240)]);
}
