/**
 * Instants as people write them: RFC 3339 (`2026-12-01T12:00:00.000123Z`, `…+01:00`), or a
 * duration before a given reading (`5m` is five minutes ago). Microseconds since 1970.
 */
import { parseDurationMs } from './duration.ts';
import { LotcError } from './errors.ts';
import { limits } from './limits.ts';

const RFC3339 =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;

/** µs since 1970, or a usage error that names `what` (for instance `--since`). */
export function parseInstantUs(text: string, what = 'an instant'): number {
  const [, date, time, fraction = '', zone = 'Z'] = RFC3339.exec(text) ?? [];
  const ms = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  // Date.parse lets 30 February pass as 2 March.
  const day = Date.parse(`${date}T00:00:00Z`);
  const real = !Number.isNaN(day) && new Date(day).toISOString().startsWith(date ?? '');
  if (Number.isNaN(ms) || ms < 0 || !real) {
    throw new LotcError('usage', `${what}: "${text}" is not an instant`, {
      hint: 'write RFC 3339, for instance 2026-12-01T12:00:00Z',
    });
  }
  if (ms * 1000 >= limits.instantUsMax) {
    const year = new Date(limits.instantUsMax / 1000).getUTCFullYear();
    throw new LotcError('usage', `${what}: "${text}" is not before the year ${year}`);
  }
  return ms * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** An instant, or a duration before `nowUs`. */
export function parseSinceUs(text: string, nowUs: number, what = '--since'): number {
  if (/^\d{4}-/.test(text)) return parseInstantUs(text, what);
  return Math.max(0, nowUs - parseDurationMs(text, what) * 1000);
}
