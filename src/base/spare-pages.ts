/**
 * Which parts of this process's memory are the executable's own pages, exactly as they lie in the
 * file: what is dropped of them comes back from there when it is touched again.
 */

export interface Range {
  readonly address: bigint;
  readonly bytes: bigint;
}

interface Mapping extends Range {
  readonly permissions: string;
  readonly file: string;
  anonymousKiB: number;
}

/** Address range, permissions, offset, device, inode, file: the first line of each mapping. */
const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s*(.*)$/u;

/**
 * From /proc/PID/smaps. A mapping with one private page (a relocation, a breakpoint) is left out as
 * a whole: that page is nowhere else.
 */
export function unchangedPages(smaps: string, file: string): Range[] {
  const mappings: Mapping[] = [];
  for (const line of smaps.split('\n')) {
    const found = head.exec(line);
    const last = mappings.at(-1);
    if (found) {
      const [, from = '', to = '', permissions = '', name = ''] = found;
      const address = BigInt(`0x${from}`);
      const bytes = BigInt(`0x${to}`) - address;
      mappings.push({ address, bytes, permissions, file: name, anonymousKiB: Number.NaN });
    } else if (last && line.startsWith('Anonymous:')) {
      last.anonymousKiB = Number(/\d+/u.exec(line)?.[0]);
    }
  }
  return mappings
    .filter((one) => one.file === file && one.anonymousKiB === 0)
    .filter(({ permissions }) => permissions.endsWith('p') && !permissions.includes('w'))
    .map(({ address, bytes }) => ({ address, bytes }));
}
