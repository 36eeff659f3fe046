/** What a shim tells of life, as the core takes it: its times become ages, its pids identities. */
import { processStart } from '../../supervisor/proc.io.ts';
import type { ShimEvent, Sign } from '../../supervisor/shim.ts';
import type { VitalEvent } from './events.ts';

/** Undefined: it says nothing of that. */
export function vitalOf(event: ShimEvent): VitalEvent | undefined {
  switch (event.kind) {
    case 'sign':
      return signed(event);
    case 'stopped':
    case 'continued': {
      const { kind, signal, monotonicUs } = event;
      return { kind: 'moved', stopped: kind === 'stopped', signal, ageMs: ageMs(monotonicUs) };
    }
    case 'quiet':
      return { kind: 'quiet', silentMs: ageMs(event.sinceUs) };
    case 'marked':
      return { kind: 'marked' };
    case 'error':
      // A shim of before knows neither silence nor marks; what it tells it has told.
      return event.reason === 'unknown-command' ? { kind: 'marked' } : undefined;
    default:
      return undefined;
  }
}

function signed({ name, value, monotonicUs: atUs }: Sign): VitalEvent | undefined {
  if (name !== 'MAINPID') return { kind: 'sign', name, value, atUs, ageMs: ageMs(atUs) };
  const found = processStart(Number(value));
  return found && { kind: 'main', pid: found.pid, startTicks: found.startTicks };
}

/** Since an instant of CLOCK_MONOTONIC. */
export function ageMs(atUs: number): number {
  return Math.max(0, Number(process.hrtime.bigint() / 1000n) - atUs) / 1000;
}
