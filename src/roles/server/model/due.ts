/**
 * The server's own part in schedules: a load or unload changes its records at the instant (each
 * node its own by itself), and what has fired for the last time is forgotten. When that is was
 * computed outside, with calendar and clock; the command carries it.
 */
import { defineBundle, removeBundles } from './bundles.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { dropSchedule } from './placement.ts';
import type { Reply } from './state.ts';

export function carryOutDue(change: Change, body: CommandBody<'scheduleDue'>): Reply {
  const { state } = change;
  const { schedule, plannedUs } = body;
  const record = state.schedules.get(schedule);
  if (!record || record.doneUs >= plannedUs) return { ok: true, body: {} };
  state.schedules.set(schedule, { ...record, doneUs: plannedUs });
  // With the scope of who asked for it, as if it were done by that hand now.
  change.within = record.within;
  const { action, bundle = '', digest = '', sizeBytes = 0, on, force, signature } = record.plan;
  try {
    if (action === 'load') {
      defineBundle(change, { bundle, digest, sizeBytes, on, signature, replace: true });
    } else if (action === 'unload') removeBundles(change, { names: [bundle], on, force });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const text = `schedule "${schedule}": ${action} of bundle "${bundle}" refused: ${error.message}`;
    change.event({ kind: 'schedule-failed', text, bundle });
  }
  return { ok: true, body: {} };
}

export function forgetSpent(change: Change, names: readonly string[]): Reply {
  for (const name of names) {
    const record = change.state.schedules.get(name);
    if (record) dropSchedule(change, record);
  }
  return { ok: true, body: {} };
}
