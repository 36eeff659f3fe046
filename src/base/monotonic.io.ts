/**
 * Time that never steps, ms since some moment in the past. `process.hrtime` is there from the
 * start; `performance` is loaded at its first use, which a cold console would wait for.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
