/**
 * What was refused at the door is noted in the journal, so that the audit has it: the note, never
 * the request. One key may cost a handful of records in a while and no more; what came beyond that
 * is counted in its next note.
 */
import type { AnyBody, Failure, MessageKind } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { targetsOf, verbOf } from './model/audit.ts';
import type { Peer } from './ports.ts';

const NOTES = 10;
const WHILE_MS = 10_000;
/** Keys remembered. */
const KEYS = 1_000;

interface Noted {
  sinceMs: number;
  notes: number;
  unsaid: number;
}

export class Refusals {
  readonly #controller: Controller;
  readonly #noted = new Map<string, Noted>();

  constructor(controller: Controller) {
    this.#controller = controller;
  }

  note(
    { name: who, address: origin, spki: by }: Peer,
    asked: { readonly kind: MessageKind; readonly body: AnyBody },
    { errorCode, text }: Failure,
    nowMs: number,
  ): void {
    const noted = this.#of(by, nowMs);
    if (noted.notes >= NOTES) {
      noted.unsaid += 1;
      return;
    }
    noted.notes += 1;
    const { unsaid } = noted;
    noted.unsaid = 0;
    const body = {
      ...{ verb: verbOf(asked.kind, asked.body), targets: targetsOf(asked.body), errorCode, text },
      ...(unsaid > 0 ? { count: unsaid } : {}),
    };
    this.#controller.submit('refused', body, { who, origin, by }, () => undefined);
  }

  #of(key: string, nowMs: number): Noted {
    const known = this.#noted.get(key);
    if (known && nowMs - known.sinceMs < WHILE_MS) return known;
    const fresh = { sinceMs: nowMs, notes: 0, unsaid: known?.unsaid ?? 0 };
    this.#noted.delete(key);
    this.#noted.set(key, fresh);
    const [oldest] = this.#noted.keys();
    if (this.#noted.size > KEYS && oldest !== undefined) this.#noted.delete(oldest);
    return fresh;
  }
}
