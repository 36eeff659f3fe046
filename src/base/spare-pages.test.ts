import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { giveBackPages } from './spare-pages.io.ts';
import { unchangedPages } from './spare-pages.ts';

function mapping(head: string, anonymousKiB: number): string {
  return `${head}\nSize: 40 kB\nRss: 8 kB\nAnonymous:      ${anonymousKiB} kB\nVmFlags: rd mr\n`;
}

test('only what is exactly as in the file, of this file alone, may be given back', () => {
  const smaps = [
    mapping('00400000-00402000 r--p 00000000 fe:00 77                /opt/a lotc (deleted)', 0),
    mapping('00402000-00406000 r-xp 00002000 fe:00 77                /opt/a lotc (deleted)', 4),
    mapping('00406000-00407000 rw-p 00006000 fe:00 77                /opt/a lotc (deleted)', 0),
    mapping('00407000-00409000 r-xp 00007000 fe:00 77                /opt/a lotc (deleted)', 0),
    mapping('00409000-0040a000 r--s 00009000 fe:00 77                /opt/a lotc (deleted)', 0),
    mapping('7f0000000000-7f0000001000 r-xp 00000000 fe:00 12        /lib/libc.so.6', 0),
    mapping('7f0000001000-7f0000002000 r--p 00000000 00:00 0', 0),
  ].join('');
  expect(unchangedPages(smaps, '/opt/a lotc (deleted)')).toEqual([
    { address: 0x400000n, bytes: 0x2000n },
    { address: 0x407000n, bytes: 0x2000n },
  ]);
});

test('a mapping of which the kernel does not say so is left alone', () => {
  const smaps = '00400000-00402000 r-xp 00000000 fe:00 77 /opt/lotc\nSize: 8 kB\n';
  expect(unchangedPages(smaps, '/opt/lotc')).toEqual([]);
});

test('this process goes on without them, with less', () => {
  const residentKiB = (): number =>
    Number(/^RssFile:\s+(\d+)/mu.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const before = residentKiB();
  expect(giveBackPages()).toBeGreaterThan(1 << 20);
  expect(residentKiB()).toBeLessThan(before - 4_096);
});
