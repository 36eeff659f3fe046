import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dataPaths, isRunName, paths } from './paths.ts';

test('what the agent knows of a run does not lie in the run', () => {
  const run = paths('/var/lib/lotc', 'R0123456789A');
  expect(run).toMatchObject({
    record: '/var/lib/lotc/private/runs/R0123456789A',
    socket: '/var/lib/lotc/private/s/R0123456789A',
    directory: '/var/lib/lotc/runs/R0123456789A',
    work: '/var/lib/lotc/runs/R0123456789A/work',
  });
  for (const path of [run.order, run.exit, run.logs, run.socket]) {
    expect(path.startsWith('/var/lib/lotc/private/')).toBe(true);
  }
});

test('a launch has names of its own, and what all launches share stays', () => {
  for (const dir of ['/d', `/${'x'.repeat(100)}`]) {
    const [first, second] = [paths(dir, 'R1'), paths(dir, 'R1', 1)];
    const { socket, exit, notify, ...shared } = second;
    expect(first).toMatchObject(shared);
    for (const own of [socket, exit, notify]) expect(Object.values(first)).not.toContain(own);
  }
});

test('a socket path is at most 107 bytes, wherever the data directory lies', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(name, (text) => {
      const dir = `/${text.replaceAll('/', '_').replaceAll('\0', '_')}`;
      const { socket, notify } = paths(dir, 'R'.repeat(32), 4_294_967_295);
      for (const path of [socket, notify]) {
        expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
      }
    }),
  );
  const long = `/${'x'.repeat(100)}`;
  expect(dataPaths(long, '/tmp').sockets).toMatch(/^\/tmp\/lotc-[0-9a-f]{12}$/);
  expect(dataPaths(long).sockets).not.toBe(dataPaths(`${long}y`).sockets);
});

test('a run name is one harmless file name', () => {
  expect(['R0123456789A', 'R1', 'a_b-c'].every(isRunName)).toBe(true);
  expect(['', '.', '..', 'a/b', 'a.b', '-a', 'a\n', 'x'.repeat(33)].some(isRunName)).toBe(false);
});
