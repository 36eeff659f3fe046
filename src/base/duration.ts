/**
 * Durations as people write them: `500ms`, `10s`, `5m`, `1h`, `7d`, `1h30m`, `1.5s`.
 *
 * A number without a unit is refused, not guessed. Milliseconds are the unit inside LOTC; parts
 * of one are refused too. Larger units come first and none comes twice, so that a slip of the
 * finger (`5m3h`) is an error and not another duration.
 */
import { LotcError } from './errors.ts';
import { limits } from './limits.ts';

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const PART = /(\d+(?:\.\d+)?)(ms|[dhms])/gy;

/** Milliseconds, or a usage error that names `what` (for instance `--timeout`). */
export function parseDurationMs(text: string, what = 'a duration'): number {
  const wrong = (): LotcError =>
    new LotcError('usage', `${what}: "${text}" is not a duration`, {
      hint: 'write for instance 500ms, 10s, 5m, 1h30m or 7d',
    });
  let at = 0;
  let rank = -1;
  let total = 0;
  while (at < text.length) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (!part) throw wrong();
    const index = units.findIndex(([unit]) => unit === part[2]);
    const unit = units[index];
    if (!unit || index <= rank) throw wrong();
    rank = index;
    total += Number(part[1]) * unit[1];
    at = PART.lastIndex;
  }
  const ms = Math.round(total);
  if (text === '' || Math.abs(ms - total) > 1e-6 || !Number.isSafeInteger(ms)) throw wrong();
  if (ms > limits.durationMsMax) {
    const most = `${limits.durationMsMax / 86_400_000}d`;
    throw new LotcError('usage', `${what}: "${text}" is longer than ${most}`);
  }
  return ms;
}

/** The exact shortest form that `parseDurationMs` reads back: 5400000 is `1h30m`. */
export function formatDurationMs(ms: number): string {
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, unitMs] of units) {
    const count = Math.floor(rest / unitMs);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text === '' ? '0s' : text;
}

/** For tables: the two largest units, nothing below a second unless it is all there is. */
export function roughDurationMs(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const first = units.findIndex(([, unitMs]) => ms >= unitMs);
  const smallest = units[Math.min(first + 1, 3)]?.[1] ?? 1_000;
  return formatDurationMs(Math.floor(ms / smallest) * smallest);
}
