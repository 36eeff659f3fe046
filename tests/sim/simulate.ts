/** One seed, from the founding of the fleet to the checks; a failure names the seed and its end. */
import { check } from './check.ts';
import { Fleet, type Mutation } from './fleet.ts';

export interface Result {
  readonly trace: string;
  readonly events: number;
}

export function simulate(seed: number, mutation?: Mutation): Result {
  const fleet = new Fleet(seed);
  mutation?.(fleet);
  return live(fleet, () => check(fleet));
}

/** All that happens to a fleet, and what must be true of it afterwards. */
export function live(fleet: Fleet, judge: () => void): Result {
  const { sim } = fleet;
  const { seed } = sim;
  try {
    withoutClocks(() => fleet.run());
    judge();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const story = `SEED=${seed} (trace ${sim.trace})\n${sim.last.join('\n')}\n${text}`;
    throw new Error(story, { cause: error });
  }
  return { trace: sim.trace, events: sim.events };
}

/** While simulating there is no time and no chance but the seed's. */
function withoutClocks(run: () => void): void {
  const { setTimeout, setInterval, setImmediate } = globalThis;
  const now = Date.now;
  const random = Math.random;
  // oxlint-disable-next-line typescript/unbound-method -- put back as it was
  const monotonic = performance.now;
  const forbidden = (): never => {
    throw new Error('the simulation asked the real world for time or chance');
  };
  Date.now = forbidden;
  Math.random = forbidden;
  performance.now = forbidden;
  Object.assign(globalThis, {
    setTimeout: forbidden,
    setInterval: forbidden,
    setImmediate: forbidden,
  });
  try {
    run();
  } finally {
    Date.now = now;
    Math.random = random;
    performance.now = monotonic;
    Object.assign(globalThis, { setTimeout, setInterval, setImmediate });
  }
}
