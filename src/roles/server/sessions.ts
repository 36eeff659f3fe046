/**
 * Who is connected, by key: so that a record that goes takes its sessions along, and a key can be
 * said to have been here. Soft state: a server that starts has seen nobody.
 */
import { errorCodes } from '../../base/errors.ts';
import type { SessionPort } from './ports.ts';

/** Ended sessions remembered; the oldest go first. */
const SEEN_KEPT = 10_000;

export class Sessions {
  readonly #byKey = new Map<string, Set<SessionPort>>();
  /** When the last session of a key ended, µs of true time. */
  readonly #seen = new Map<string, number>();

  keys(): readonly string[] {
    return [...this.#byKey.keys()];
  }

  begun(port: SessionPort): void {
    const { spki } = port.peer;
    const set = this.#byKey.get(spki) ?? new Set();
    this.#byKey.set(spki, set.add(port));
  }

  ended(port: SessionPort, nowUs: number): void {
    const { spki } = port.peer;
    const set = this.#byKey.get(spki);
    if (!set?.delete(port) || set.size > 0) return;
    this.#byKey.delete(spki);
    this.#seen.delete(spki);
    this.#seen.set(spki, nowUs);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > SEEN_KEPT && oldest !== undefined) this.#seen.delete(oldest);
  }

  /** Ends every session of a key whose word does not count any more. */
  close(spki: string, reason: string): void {
    const { number: errorCode } = errorCodes.unauthenticated;
    const failure = { errorCode, text: reason };
    for (const port of [...(this.#byKey.get(spki) ?? [])]) port.close(reason, failure);
  }

  lastSeen(spki: string, nowUs: number): number | undefined {
    return this.#byKey.has(spki) ? nowUs : this.#seen.get(spki);
  }
}
