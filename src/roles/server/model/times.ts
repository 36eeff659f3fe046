/**
 * No instant and no duration of a request, a manifest or a report may be so large that what is
 * reckoned from it cannot be written down: a console says so to whoever types it, but not every
 * peer is one of ours.
 */
import { limits } from '../../../base/limits.ts';
import { type KeyName, keys } from '../../../net/registry.ts';
import { Refusal } from './change.ts';

/** Throws `Refusal`. */
export function checkTimes(body: object): void {
  const fault = timeFault(body);
  if (fault !== undefined) throw new Refusal('usage', fault);
}

/** Which is none. Fields named in ms and µs are durations, or instants where they are `time`. */
export function timeFault(body: object): string | undefined {
  for (const [name, value] of Object.entries(body)) {
    let fault: string | undefined;
    if (typeof value === 'number') fault = faultOf(name, value);
    else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
      fault = timeFault(value);
    }
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOf(name: string, value: number): string | undefined {
  if (Math.abs(value) <= limits.durationMsMax) return undefined;
  const most = mostOf(name);
  if (most === undefined || Math.abs(value) <= most) return undefined;
  return `${name}: ${value} is more than ${most}`;
}

function mostOf(name: string): number | undefined {
  if (isKeyName(name) && keys[name][1] === 'time') return limits.instantUsMax;
  if (name.endsWith('Ms')) return limits.durationMsMax;
  return name.endsWith('Us') ? limits.durationMsMax * 1000 : undefined;
}

const isKeyName = (name: string): name is KeyName => Object.hasOwn(keys, name);
