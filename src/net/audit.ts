/**
 * The audit's chain: who asked what, from where, when, on which targets, with which answer. Each
 * entry's hash is over the hash before it and the entry as one line of JSON with its fields in a
 * fixed order, so that anybody with an export can check it with SHA-256 alone (SECURITY, "Audit").
 * Both ends use this file: the model makes the chain, the console checks it.
 */
import { createHash } from 'node:crypto';
import { formatInstant } from '../base/clock.ts';
import { errorCodeOf } from '../base/errors.ts';
import type { Shape } from './layout.ts';

export type AuditEntry = Omit<Shape<'audit'>, 'hash'>;

/** The hash before the first entry. */
export const AUDIT_START = '0'.repeat(64);

/** As people and scripts see it; the order of the fields is part of the chain. */
export function auditFields(entry: AuditEntry): Record<string, unknown> {
  const { number, seq, at, clockErrorUs, who, by, origin, verb } = entry;
  const { targets = [], names = [], errorCode, text, count } = entry;
  return {
    ...{ number, seq, at: formatInstant(at), clockErrorUs: clockErrorUs ?? null },
    ...{ who, key: by ?? null, from: origin ?? null, what: verb, targets, nodes: names },
    answer: errorCode === undefined ? 'ok' : errorCodeOf(errorCode),
    ...{ text: text ?? null, more: count ?? 0 },
  };
}

export const auditLine = (entry: AuditEntry): string => JSON.stringify(auditFields(entry));

/** Hex SHA-256 of the hash before, a newline, and the line. */
export function auditHash(previous: string, entry: AuditEntry): string {
  return createHash('sha256')
    .update(`${previous}\n${auditLine(entry)}`)
    .digest('hex');
}

export interface ChainEnd {
  readonly number: number;
  readonly hash: string;
}

/** Follows a chain entry by entry; `next` answers what is wrong, undefined while it is whole. */
export class AuditChain {
  #end: ChainEnd;

  constructor(anchor: ChainEnd) {
    this.#end = anchor;
  }

  get end(): ChainEnd {
    return this.#end;
  }

  next({ hash, ...entry }: Shape<'audit'>): string | undefined {
    const { number } = entry;
    // Before the anchor: on its way out.
    if (number <= this.#end.number) return undefined;
    const wanted = this.#end.number + 1;
    if (number !== wanted) {
      const last = number - 1;
      return last === wanted
        ? `entry ${wanted} is missing`
        : `entries ${wanted} to ${last} are missing`;
    }
    if (auditHash(this.#end.hash, entry) !== hash) return `entry ${number} was changed`;
    this.#end = { number, hash };
    return undefined;
  }

  /** What the server's own state says the end is. */
  ends({ number, hash }: ChainEnd): string | undefined {
    if (number > this.#end.number) {
      return `entries ${this.#end.number + 1} to ${number} are missing at the end`;
    }
    // Entries that came while it was read.
    if (number < this.#end.number || hash === this.#end.hash) return undefined;
    return `entry ${number} was changed, and what follows it`;
  }
}
