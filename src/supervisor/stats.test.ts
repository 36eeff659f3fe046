import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  firstNumber,
  type ProcessReading,
  parseIo,
  parseMemory,
  parsePageBytes,
  parsePss,
  type RunReading,
  sampleRun,
} from './stats.ts';

const IO = 'rchar: 9\nwchar: 8\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 512\n';

test('files of /proc', () => {
  expect(parseIo(`${IO}cancelled_write_bytes: 7\n`)).toEqual({ readBytes: 4096, writeBytes: 512 });
  expect(parseIo('cancelled_write_bytes: 7\nread_bytes: 1\n')).toBeUndefined();
  expect(parsePss('5-7 ---p 0 [rollup]\nRss:  1640 kB\nPss:   390 kB\nPss_Dirty: 9 kB\n')).toBe(
    399_360,
  );
  expect(parsePss('')).toBeUndefined();
  expect(parseMemory('MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 60 kB\n')).toEqual({
    memoryBytes: 40_960,
    memoryTotalBytes: 102_400,
  });
  expect(firstNumber('0.53 0.10 0.02 1/99 7\n')).toBe(0.53);
  expect(firstNumber('')).toBe(0);
  const auxv = new BigUint64Array([16n, 3n, 6n, 65_536n, 0n, 0n]);
  expect(parsePageBytes(new Uint8Array(auxv.buffer))).toBe(65_536);
  expect(parsePageBytes(new Uint8Array(8))).toBeUndefined();
});

interface Fake {
  own: number;
  child?: number;
  start?: number;
  pss?: number | undefined;
  write?: number;
}

function process({ own, child = 0, start = 100, pss, write = 0 }: Fake): ProcessReading {
  const stat = { pid: 5, state: 'S', parent: 1, session: 1, threads: 2, rssPages: 10 };
  return {
    stat: { ...stat, ownTicks: own, childTicks: child, startTicks: start },
    io: { readBytes: 0, writeBytes: write },
    pssBytes: pss,
    openFiles: 3,
  };
}

function reading(processes: ProcessReading[], more: Partial<RunReading> = {}): RunReading {
  const times = { atUs: 7, atMs: 5000, sinceBootMs: 3000 };
  return { run: 'R1', ...times, pageBytes: 4096, processes, ...more };
}

test('the first sample counts from the start of the oldest process', () => {
  const made = sampleRun(
    reading([process({ own: 50 }), process({ own: 50, start: 200 })]),
    undefined,
  );
  expect(made?.sample).toEqual({
    run: 'R1',
    atUs: 7,
    cpuPercent: 50,
    memoryBytes: 81_920,
    memoryKind: 'rss',
    ioReadBytes: 0,
    ioWriteBytes: 0,
    threads: 4,
    openFiles: 6,
    uptimeMs: 2000,
  });
});

test('the next counts from the one before, and 100 is one core', () => {
  const before = { atMs: 4000, cpuUs: 1_000_000, readBytes: 0, writeBytes: 0 };
  const made = sampleRun(reading([process({ own: 250 })]), before);
  expect(made?.sample.cpuPercent).toBe(150);
  expect(made?.totals).toMatchObject({ atMs: 5000, cpuUs: 2_500_000 });
});

test('a child that ended counts on with whoever waited for it, the shim too', () => {
  const living = sampleRun(
    reading([process({ own: 10, write: 1 }), process({ own: 30, write: 9 })]),
    undefined,
  );
  const parent = sampleRun(reading([process({ own: 10, child: 30, write: 10 })]), living?.totals);
  expect(parent?.sample).toMatchObject({ cpuPercent: 0, ioWriteBytes: 10 });
  const shim = process({ own: 99, child: 30, write: 9 });
  const reaped = sampleRun(reading([process({ own: 10, write: 1 })], { shim }), living?.totals);
  expect(reaped?.totals).toMatchObject({ cpuUs: 400_000, writeBytes: 10 });
});

test('counters never fall, whatever is read', () => {
  const ticks = fc.nat({ max: 1000 });
  fc.assert(
    fc.property(fc.array(fc.array(ticks, { minLength: 1, maxLength: 4 })), (passes) => {
      let before: Parameters<typeof sampleRun>[1];
      passes.forEach((owns, index) => {
        const processes = owns.map((own) => process({ own, write: own }));
        const made = sampleRun(reading(processes, { atMs: index * 1000 }), before);
        expect(made?.sample.cpuPercent).toBeGreaterThanOrEqual(0);
        expect(made?.sample.ioWriteBytes).toBeGreaterThanOrEqual(before?.writeBytes ?? 0);
        before = made?.totals;
      });
    }),
  );
});

test('memory: the group, else PSS when all have it, else RSS; without processes none', () => {
  const both = [process({ own: 0, pss: 100 }), process({ own: 0, pss: 50 })];
  expect(sampleRun(reading(both, { groupMemoryBytes: 7 }), undefined)?.sample).toMatchObject({
    memoryBytes: 7,
    memoryKind: 'cgroup',
  });
  expect(sampleRun(reading(both), undefined)?.sample).toMatchObject({
    memoryBytes: 150,
    memoryKind: 'pss',
  });
  const mixed = [process({ own: 0, pss: 100 }), process({ own: 0, pss: undefined })];
  expect(sampleRun(reading(mixed), undefined)?.sample.memoryKind).toBe('rss');
  expect(sampleRun(reading([]), undefined)).toBeUndefined();
});
