/**
 * What a variable of sd_notify(3) says, as far as it means something here. Programs write it, so
 * anything may stand there: what is none of it is nothing.
 */
import { limits } from '../../base/limits.ts';

export type Said =
  | { readonly event: 'sign' | 'trigger' | 'ready' | 'reloading' | 'stopping' }
  | { readonly event: 'period' | 'extend'; readonly ms: number }
  | { readonly event: 'status'; readonly text: string };

export function signOf(name: string, value: string): Said | undefined {
  switch (name) {
    case 'WATCHDOG':
      if (value === 'trigger') return { event: 'trigger' };
      return value === '1' ? { event: 'sign' } : undefined;
    case 'READY':
      return value === '1' ? { event: 'ready' } : undefined;
    case 'RELOADING':
      return value === '1' ? { event: 'reloading' } : undefined;
    case 'STOPPING':
      return value === '1' ? { event: 'stopping' } : undefined;
    case 'WATCHDOG_USEC': {
      const ms = millisecondsOf(value);
      if (ms === undefined) return undefined;
      // Beyond any time that could be meant it is "infinity", as systemd writes it: none.
      if (ms === 0 || ms > limits.livenessMaxMs) return { event: 'period', ms: 0 };
      return { event: 'period', ms: Math.max(limits.watchdogMinMs, ms) };
    }
    case 'EXTEND_TIMEOUT_USEC': {
      const ms = millisecondsOf(value);
      return ms === undefined
        ? undefined
        : { event: 'extend', ms: Math.min(ms, limits.extendMaxMs) };
    }
    case 'STATUS':
      return { event: 'status', text: value.slice(0, limits.statusCharacters) };
    default:
      return undefined;
  }
}

function millisecondsOf(microseconds: string): number | undefined {
  return /^\d{1,20}$/.test(microseconds) ? Number(microseconds) / 1_000 : undefined;
}
