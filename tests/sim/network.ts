/**
 * One connection between an agent and the server: each way in order, with a delay, or not at all.
 * A close is told in order behind what was sent; a cut loses what is under way and is noticed by
 * each side on its own, so that for a while one may hold for open what the other knows is gone.
 */
import type { Sim } from './sim.ts';

export interface Ends {
  agentGone(reason: string): void;
  serverGone(reason: string): void;
}

const MOST_UNDER_WAY = 256;

export class Connection {
  readonly #sim: Sim;
  readonly #name: string;
  readonly #ends: Ends;
  readonly #lastUs = { up: 0, down: 0 };
  readonly #underWay = { up: 0, down: 0 };
  agentOpen = true;
  serverOpen = false;
  #linked = true;

  constructor(sim: Sim, name: string, ends: Ends) {
    this.#sim = sim;
    this.#name = name;
    this.#ends = ends;
  }

  toServer(what: string, arrive: () => void): void {
    this.#send('up', what, arrive);
  }

  toAgent(what: string, arrive: () => void): void {
    this.#send('down', what, () => {
      if (this.agentOpen) arrive();
    });
  }

  /** The cable, not the ends: neither side hears of it before its patience ends. */
  cut(): void {
    if (!this.#linked) return;
    this.#linked = false;
    const { random } = this.#sim;
    this.#sim.after(random.int(1_000, 5_000_000), `${this.#name} agent misses`, () => {
      this.#agentGone('cut');
    });
    this.#sim.after(random.int(1_000, 16_000_000), `${this.#name} server misses`, () => {
      this.#serverGone('cut');
    });
  }

  /** The agent's process ended, or it closed: what it had sent still arrives. */
  agentCloses(): void {
    if (!this.agentOpen) return;
    this.agentOpen = false;
    this.#send('up', 'FIN', () => this.#serverGone('closed'));
  }

  serverCloses(reason: string): void {
    if (!this.serverOpen) return;
    this.serverOpen = false;
    this.#send('down', 'FIN', () => this.#agentGone(reason));
  }

  /** The server's process is gone: nobody there is told. */
  serverDies(): void {
    this.serverOpen = false;
    this.#send('down', 'FIN', () => this.#agentGone('the server died'));
  }

  #agentGone(reason: string): void {
    if (!this.agentOpen) return;
    this.agentOpen = false;
    this.#ends.agentGone(reason);
  }

  #serverGone(reason: string): void {
    if (!this.serverOpen) return;
    this.serverOpen = false;
    this.#ends.serverGone(reason);
  }

  #send(way: 'up' | 'down', what: string, arrive: () => void): void {
    if (!this.#linked) return;
    const sim = this.#sim;
    this.#underWay[way] += 1;
    if (this.#underWay[way] > MOST_UNDER_WAY) throw new Error(`${this.#name}: too much under way`);
    const slow = sim.random.chance(0.02);
    const wishUs = sim.nowUs + sim.random.int(100, slow ? 2_000_000 : 15_000);
    const atUs = Math.max(this.#lastUs[way] + 1, wishUs);
    this.#lastUs[way] = atUs;
    sim.after(atUs - sim.nowUs, `${this.#name} ${way} ${what}`, () => {
      this.#underWay[way] -= 1;
      if (this.#linked) arrive();
    });
  }
}
