/**
 * How often each limit was met since this process began, so that somebody can see what is being
 * tried. Names are those of limits (base/limits.ts) and of protocol faults (base/errors.ts), so
 * there are only so many, whatever comes.
 */
import type { ProtocolFault } from '../base/errors.ts';
import type { limits } from '../base/limits.ts';

export type Tallied = keyof typeof limits | ProtocolFault | 'handshakeFailed';

export class Tally {
  readonly #counts = new Map<Tallied, number>();

  add(name: Tallied): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** By name. */
  get rows(): readonly { readonly text: string; readonly count: number }[] {
    const named = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1));
    return named.map(([text, count]) => ({ text, count }));
  }
}
