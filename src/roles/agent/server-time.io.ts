/**
 * What the agent and its server tell each other about time. Each answers the other's question
 * with its own clock (SYN DEF); the agent learns from the server's answers where nobody better is
 * believed. A few exchanges when a session begins, then one now and then.
 */
import type { Ok, Req, Shape } from '../../net/bodies.ts';
import type { Link } from '../../net/link.io.ts';
import type { ClockFacts, SystemClock } from '../../scheduler/clock.io.ts';

const BURST = 4;
const BURST_EVERY_MS = 250;
const EVERY_MS = 16_000;

export class ServerTime {
  readonly #clock: SystemClock;
  #link: Link | undefined;
  #timer: NodeJS.Timeout | undefined;
  #burst = 0;
  /** Of the exchange before: the next request tells, so that whoever reads the wire sees it. */
  #before: Omit<Req<'synDef'>, 't1'> = {};

  constructor(clock: SystemClock) {
    this.#clock = clock;
  }

  serve(link: Link): void {
    const clock = this.#clock;
    link.onRequest('synDef', ({ t1 }, reply) => {
      const { atUs: t2, errorUs } = clock.now();
      reply.ok({ t1, t2, t3: clock.now().atUs, errorUs });
    });
    link.onRequest('synNow', (_, reply) => {
      void this.#now().then((row) => reply.ok({ clock: row }));
    });
  }

  opened(link: Link): void {
    this.#link = link;
    this.#begin();
  }

  closed(): void {
    this.#link = undefined;
    clearTimeout(this.#timer);
  }

  /** All sources asked again, and how the clock then stands. */
  async #now(): Promise<Shape<'clock'>> {
    const clock = this.#clock;
    const wanted = clock.wantsServer;
    if (wanted) this.#begin();
    const [sources] = await Promise.all([
      clock.sources(true),
      wanted ? new Promise((resolve) => setTimeout(resolve, BURST * BURST_EVERY_MS)) : undefined,
    ]);
    const rows = wanted ? await clock.sources(false) : sources;
    const servers = rows.map(({ host, truechimer, reach, ...rest }) => {
      return { host, truechimer, reach, ...rest };
    });
    return { ...clockOf(clock.facts()), servers };
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#burst = BURST;
    this.#next();
  }

  #next(): void {
    if (this.#clock.wantsServer) this.#ask();
    this.#burst = Math.max(0, this.#burst - 1);
    const waitMs = this.#burst > 0 ? BURST_EVERY_MS : EVERY_MS;
    if (this.#link) this.#timer = setTimeout(() => this.#next(), waitMs);
  }

  #ask(): void {
    const link = this.#link;
    const clock = this.#clock;
    const { atUs: t1 } = clock.now();
    const sentUs = clock.baseUs();
    link?.ask(
      'synDef',
      { t1, ...this.#before },
      {
        ok: (body) => {
          const cameUs = clock.baseUs();
          const { t2, t3, errorUs } = body as Ok<'synDef'>;
          const t4 = Math.round(t1 + (cameUs - sentUs));
          const delayUs = Math.max(0, t4 - t1 - (t3 - t2));
          this.#before = { t4, delayUs, offsetUs: Math.round((t2 - t1 + t3 - t4) / 2) };
          clock.learn({ t1: sentUs, t2, t3, t4: cameUs, errorUs });
        },
        // A session that ends is dialled again, and begins anew.
        fail: () => undefined,
      },
    );
  }
}

/** How the clock stands, as a heartbeat and `sync` say it. */
export function clockOf(facts: ClockFacts): Shape<'clock'> {
  const { synchronized, offsetUs, clockErrorUs, source, stratum, relative, reason } = facts;
  return { synchronized, offsetUs, clockErrorUs, source, stratum, relative, reason };
}
