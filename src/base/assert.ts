/** Assertions catch LOTC's own bugs only, never a peer's or an operator's input. */

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** For the end of an exhaustive switch: a new member of the union does not compile. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
