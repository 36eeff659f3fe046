/**
 * Arms one program, so many µs ahead, and says for which instant of CLOCK_MONOTONIC:
 * `arm.ts DIRECTORY AHEAD PROGRAM ARGUMENT...` (gate.ts).
 */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { launchShim } from '../src/supervisor/shim.io.ts';

const [, , directory = '', ahead = '0', program = '', ...rest] = process.argv;
const [socket, record] = [join(directory, `s${process.pid}`), join(directory, `x${process.pid}`)];
rmSync(record, { force: true });
const gateAtUs = Number(process.hrtime.bigint() / 1_000n) + Number(ahead);
launchShim(
  resolve(import.meta.dirname, '../build/shim'),
  { socket, record, argv: [program, ...rest], env: [], umask: 0o22, gateAtUs },
  (event) => {
    if (event.kind === 'armed') process.stdout.write(`${gateAtUs}\n`);
  },
);
