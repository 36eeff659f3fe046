/**
 * ERR frames: the answer to what could not be read. Id 0 and the end of the session, or, where
 * only the message is unknown, the id of that request. PROTOCOL, "Errors".
 */
import { ProtocolError, type ProtocolFault, protocolFaults } from '../base/errors.ts';
import { decodeBody, encodeCoded } from './codec.ts';
import { errorCodeByte, frameFailure } from './codes.ts';
import type { Frame } from './frame.ts';

export function encodeErrorFrame(error: ProtocolError, id = 0): Uint8Array {
  const body = { fault: error.fault, text: error.message };
  return encodeCoded(errorCodeByte(error.fault), 0, id, frameFailure, body);
}

/** What the peer found wrong with us. A fault of a newer LOTC reads as `unexpected-message`. */
export function decodeErrorFrame(frame: Frame): ProtocolError {
  const { fault = '', text = '' } = decodeBody(frameFailure, frame.body);
  const known = fault in protocolFaults ? (fault as ProtocolFault) : 'unexpected-message';
  return new ProtocolError(known, text);
}
