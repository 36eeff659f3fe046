/**
 * The message code byte, CCC SSS TT (category, subcategory, state), as lookup tables made once
 * from the layout table. PROTOCOL, "Codes".
 */
import { assert } from '../base/assert.ts';
import { type ProtocolFault, protocolFaults } from '../base/errors.ts';
import {
  categories,
  type Fields,
  failure,
  frameErrors,
  type Layout,
  layouts,
  type MessageKind,
  type State,
  states,
} from './layout.ts';

export interface Coded {
  readonly code: number;
  readonly kind: MessageKind;
  readonly state: State;
  readonly layout: Fields;
}

/** What an ERR frame holds: which rule was broken, in words, and the header that broke it. */
export const frameFailure = { must: ['fault', 'text'], may: ['data'] } as const satisfies Fields;

export const STATE_REQ = states.indexOf('REQ');
export const STATE_ERR = states.indexOf('ERR');

export function codeByte(category: Layout['category'], sub: number, state: State): number {
  return (categories.indexOf(category) << 5) | (sub << 2) | states.indexOf(state);
}

const byCode: (Coded | undefined)[] = Array.from({ length: 256 });
const byKind = new Map<string, readonly (Coded | undefined)[]>();

/** The layout of a message in a state; undefined: it has no such state. */
export function fieldsOf(kind: MessageKind, state: State): Fields | undefined {
  const layout: Layout = layouts[kind];
  if (state === 'REQ') return layout.req;
  if (state === 'ACK') return layout.ack;
  if (state === 'OK') return layout.ok;
  // What is never answered cannot fail either.
  return layout.ok ? failure : undefined;
}

for (const kind of Object.keys(layouts) as MessageKind[]) {
  const { category, sub } = layouts[kind];
  const row = states.map((state): Coded | undefined => {
    const layout = fieldsOf(kind, state);
    if (!layout) return undefined;
    const code = codeByte(category, sub, state);
    assert(byCode[code] === undefined, `two messages have code ${code}`);
    const coded = { code, kind, state, layout };
    byCode[code] = coded;
    return coded;
  });
  byKind.set(kind, row);
}

export function codeOf(kind: MessageKind, state: State): Coded {
  const coded = byKind.get(kind)?.[states.indexOf(state)];
  assert(coded, `${kind} has no state ${state}`);
  return coded;
}

/** Undefined: nobody's code. */
export function layoutOfCode(code: number): Coded | undefined {
  return byCode[code];
}

/** Whether an answer is expected to a request of this kind. */
export function isAnswered(kind: MessageKind): boolean {
  return byKind.get(kind)?.[states.indexOf('OK')] !== undefined;
}

/** The code of the ERR frame that answers a fault. */
export function errorCodeByte(fault: ProtocolFault): number {
  return codeByte('ERR', frameErrors[protocolFaults[fault]], 'ERR');
}

export function isErrorCode(code: number): boolean {
  return code >> 5 === categories.indexOf('ERR') && (code & 3) === STATE_ERR;
}
