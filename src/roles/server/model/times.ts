/**
 * No instant and no duration of a request may be so large that what is reckoned from it cannot be
 * written down: a console says so to whoever types it, but not every peer is one of ours.
 */
import { limits } from '../../../base/limits.ts';
import { type KeyName, keys } from '../../../net/registry.ts';
import { Refusal } from './change.ts';

/** Throws `Refusal`. Fields named in ms and µs are durations, or instants where they are `time`. */
export function checkTimes(body: object): void {
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'number') checkTime(name, value);
    else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value))
      checkTimes(value);
  }
}

function checkTime(name: string, value: number): void {
  if (value <= limits.durationMsMax) return;
  const most = mostOf(name);
  if (most === undefined || value <= most) return;
  throw new Refusal('usage', `${name}: ${value} is more than ${most}`);
}

function mostOf(name: string): number | undefined {
  if (isKeyName(name) && keys[name][1] === 'time') return limits.instantUsMax;
  if (name.endsWith('Ms')) return limits.durationMsMax;
  return name.endsWith('Us') ? limits.durationMsMax * 1000 : undefined;
}

const isKeyName = (name: string): name is KeyName => Object.hasOwn(keys, name);
