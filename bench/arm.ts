/** Arms one program and says so: `arm.ts DIRECTORY INSTANT PROGRAM ARGUMENT...` (gate.ts). */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { launchShim } from '../src/supervisor/shim.io.ts';

const [, , directory = '', instant = '0', program = '', ...rest] = process.argv;
const [socket, record] = [join(directory, `s${process.pid}`), join(directory, `x${process.pid}`)];
rmSync(record, { force: true });
launchShim(
  resolve(import.meta.dirname, '../build/shim'),
  { socket, record, argv: [program, ...rest], env: [], umask: 0o22, gateAtUs: Number(instant) },
  (event) => {
    if (event.kind === 'armed') process.stdout.write('armed\n');
  },
);
