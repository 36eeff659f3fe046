/**
 * Tells whoever is here which CAs to trust, until they have it: an agent is asked to store it, a
 * console finds it in its WELCOME. Both say in their next HELLO what they have; the record of
 * their key keeps it. Peers of before say nothing, and are told nothing.
 */
import type { AnyBody } from '../../net/layout.ts';
import { pinOf } from '../../net/trust.ts';
import { trustOf } from '../../net/trust-word.ts';
import { type Controller, SERVER } from './controller.ts';
import { lacking } from './model/certificates.ts';
import type { IdentityRecord } from './model/state.ts';
import type { ServerPorts, SessionPort } from './ports.ts';

interface Told {
  trusts: string;
  isAsked: boolean;
}

export class Trusting {
  readonly #controller: Controller;
  readonly #ports: ServerPorts;
  readonly #sessions = new Map<SessionPort, Told>();

  constructor(controller: Controller, ports: ServerPorts) {
    this.#controller = controller;
    this.#ports = ports;
  }

  /** Of a console: what its WELCOME shall say it is to trust. */
  begun(port: SessionPort, trusts: string | undefined): string | undefined {
    const wanted = this.#wanted();
    if (trusts === undefined) return undefined;
    if (port.peer.role === 'agent') this.#sessions.set(port, { trusts, isAsked: false });
    if (!wanted) return undefined;
    if (trusts === wanted.trusts) this.#note(port.peer.spki, trusts);
    else if (port.peer.role !== 'agent') return wanted.text;
    return undefined;
  }

  ended(port: SessionPort): void {
    this.#sessions.delete(port);
  }

  tick(): void {
    const wanted = this.#wanted();
    if (!wanted) return;
    const { trusts, text } = wanted;
    for (const [port, told] of this.#sessions) {
      if (told.trusts === trusts || told.isAsked) continue;
      told.isAsked = true;
      port.ask(
        'synAuthority',
        { authority: text },
        {
          ok: () => {
            Object.assign(told, { trusts, isAsked: false });
            this.#note(port.peer.spki, trusts);
          },
          fail: ({ text: reason }) => {
            told.isAsked = false;
            const { name } = port.peer;
            this.#ports.log('warn', 'a node has not taken the new CA', { node: name, reason });
          },
        },
      );
    }
  }

  /** For `ca status`. */
  facts(): AnyBody {
    const { state } = this.#controller;
    const { ca } = state;
    if (!ca) return { ca: { stage: 'stable', pin: pinOf(this.#ports.authority?.() ?? '') } };
    const lack = lacking(state);
    const have = [...state.identities.values()].filter(({ trusts }) => trusts === ca.trusts);
    const { stage, pin, nextPin, at } = ca;
    const names = (all: readonly IdentityRecord[]): string[] =>
      all.map(({ name, role }) => `${role === 'agent' ? 'node' : role} ${name}`).sort();
    return { ca: { stage, pin, nextPin, at, holders: names(have), lackers: names(lack) } };
  }

  /** Nothing while the files are not yet where the journal is. */
  #wanted(): { readonly trusts: string; readonly text: string } | undefined {
    const { ca } = this.#controller.state;
    const text = this.#ports.authority?.();
    if (!ca || text === undefined || trustOf(text) !== ca.trusts) return undefined;
    return { trusts: ca.trusts, text };
  }

  #note(spki: string, trusts: string): void {
    if (this.#controller.state.identities.get(spki)?.trusts === trusts) return;
    this.#controller.submit('trusts', { spki, trusts }, SERVER, () => undefined);
  }
}
