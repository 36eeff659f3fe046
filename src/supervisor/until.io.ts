/**
 * Waiting for something the kernel does by itself within a millisecond or so: look, look again at
 * each turn of the loop, then at growing intervals, and give up at a deadline. Where the kernel
 * could notify (cgroup.events), setting that up takes longer than the thing itself.
 */

const EAGER_MS = 3;
const STEP_MS_MAX = 20;

/** True once `done` was; false when it was not within `timeoutMs`. Looks at least twice. */
export async function until(
  done: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const begun = performance.now();
  let stepMs = 1;
  for (;;) {
    if (await done()) return true;
    const passedMs = performance.now() - begun;
    if (passedMs >= timeoutMs) return done();
    if (passedMs < EAGER_MS) {
      await new Promise((resolve) => setImmediate(resolve));
    } else {
      await sleep(stepMs);
      stepMs = Math.min(stepMs * 1.5, STEP_MS_MAX);
    }
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
