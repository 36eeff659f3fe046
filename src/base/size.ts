/**
 * Sizes as people write them: `64MiB`, `512KiB`, `1GiB`, `1.5G`, `4096`.
 *
 * Units are powers of 1024; `K`, `M`, `G`, `T` are short for `KiB` and so on, in either case. A
 * bare number is bytes. The result is whole bytes.
 */
import { LotcError } from './errors.ts';

const powers = ['', 'k', 'm', 'g', 't'];
const SIZE = /^(\d+(?:\.\d+)?)(?:([kmgt])(?:i?b)?|b)?$/i;

/** Bytes, or a usage error that names `what` (for instance `--log-max`). */
export function parseSizeBytes(text: string, what = 'a size'): number {
  const found = SIZE.exec(text);
  const power = powers.indexOf((found?.[2] ?? '').toLowerCase());
  const bytes = Math.round(Number(found?.[1]) * 1024 ** power);
  if (!found || !Number.isSafeInteger(bytes)) {
    throw new LotcError('usage', `${what}: "${text}" is not a size`, {
      hint: 'write for instance 4096, 512KiB, 64MiB or 1.5G',
    });
  }
  return bytes;
}

/** As a manifest has it, exactly: the largest unit that divides it, for instance `64MiB`. */
export function formatSizeBytes(bytes: number): string {
  const power = powers.findLastIndex((_, at) => bytes > 0 && bytes % 1024 ** at === 0);
  if (power < 1) return String(bytes);
  return `${bytes / 1024 ** power}${(powers[power] ?? '').toUpperCase()}iB`;
}

/** For tables: three digits at most and a unit, for instance `1.5MiB`. */
export function roughSizeBytes(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (value >= 1023.5 && power < powers.length - 1) {
    value /= 1024;
    power += 1;
  }
  if (power === 0) return `${Math.round(value)}B`;
  const digits = value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${(powers[power] ?? '').toUpperCase()}iB`;
}
