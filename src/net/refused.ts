/** Failures that come over the wire, and those that take their place when nothing comes. */
import { type ErrorCode, errorCodeOf, errorCodes, LotcError } from '../base/errors.ts';
import type { Failure } from './layout.ts';
import type { SessionEnd } from './session-events.ts';

/** The peer said ERR. */
export class RefusedError extends LotcError {
  readonly failure: Failure;

  constructor(failure: Failure) {
    const { errorCode, hint, node, text } = failure;
    super(errorCodeOf(errorCode), text, { hint, node });
    this.name = 'RefusedError';
    this.failure = failure;
  }
}

export function failureOf(code: ErrorCode, text: string, hint?: string): Failure {
  return { errorCode: errorCodes[code].number, text, hint };
}

/** What an open request gets when its session ends. */
export function lostFailure(end: SessionEnd): Failure {
  return failureOf('unresponsive', `the connection ended before the answer: ${end.text}`);
}
