/**
 * Loaded into an agent before anything else: writes down each step it says (LOTC_STEPS names the
 * file), and ends it by SIGKILL at the one whose number is LOTC_DIE_AT, before anything after it.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { STEPS } from '../../src/base/step.io.ts';

const file = process.env['LOTC_STEPS'] ?? '';
const at = Number(process.env['LOTC_DIE_AT'] ?? 0);
let said = 0;
subscribe(STEPS, (name) => {
  said += 1;
  appendFileSync(file, `${String(name)}\n`);
  if (said === at) process.kill(process.pid, 'SIGKILL');
});
