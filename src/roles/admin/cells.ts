/** What the views share: how a field reads in JSON and in a table's cell. Pure. */
import { formatInstant } from '../../base/clock.ts';
import { roughDurationMs } from '../../base/duration.ts';
import { few } from '../../base/few.ts';
import { roughSizeBytes } from '../../base/size.ts';
import type { Column } from './table.ts';

const NAMED = 8;
const LONG_US = 60_000_000;

export interface View<T> {
  /** What `-o name` prints. */
  name(row: T): string;
  json(row: T, nowUs: number): Record<string, unknown>;
  readonly columns: readonly Column<T>[];
}

export const time = (atUs: number | undefined): string | null =>
  atUs === undefined ? null : formatInstant(atUs);
export const orNull = <T>(value: T | undefined): T | null => value ?? null;
export const text = (value: string | number | undefined): string =>
  value === undefined ? '' : String(value);
/** To the second: tables are for people. */
export const second = (atUs: number | undefined): string =>
  atUs === undefined ? '' : `${formatInstant(atUs).slice(0, 19).replace('T', ' ')}Z`;
export const age = (atUs: number | undefined, nowUs: number): string =>
  atUs === undefined ? '' : roughDurationMs(Math.max(0, nowUs - atUs) / 1000);
export const size = (bytes: number | undefined): string =>
  bytes === undefined ? '' : roughSizeBytes(bytes);
/** To the microsecond where that says something: a firing of last week is late by days. */
export const ms = (us: number | undefined): string => {
  if (us === undefined) return '';
  if (Math.abs(us) < LONG_US) return `${(us / 1000).toFixed(3)}ms`;
  return `${us < 0 ? '-' : ''}${roughDurationMs(Math.abs(us) / 1000)}`;
};
/** Names in a cell: a table of which one row fills the screen is none. */
export const named = (names: readonly string[]): string => few(names, NAMED, ',');
export const pairs = (map: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
