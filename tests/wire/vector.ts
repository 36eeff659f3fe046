/**
 * Golden vectors: frames in hex beside what they mean, checked both ways here and given to the
 * Wireshark module's tests. Byte strings are hex in JSON; the registry knows which they are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProtocolFault } from '../../src/base/errors.ts';
import type { AnyBody } from '../../src/net/bodies.ts';
import type { MessageKind, State } from '../../src/net/layout.ts';
import { type KeyName, keys } from '../../src/net/registry.ts';

export interface Vector {
  readonly name: string;
  readonly kind: MessageKind;
  readonly state: State;
  readonly code: number;
  readonly id: number;
  readonly more: boolean;
  readonly again: boolean;
  readonly body: unknown;
  readonly hex: string;
}

/** A frame that is refused, and why. */
export interface BadVector {
  readonly name: string;
  readonly fault: ProtocolFault;
  readonly hex: string;
  /** The ERR frame that tells its sender so (with the name above as its text). */
  readonly answer: string;
}

export const directory = join(import.meta.dirname, 'vectors');
const BAD = 'refused.json';

export function readVectors(): Vector[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json') && file !== BAD)
    .toSorted()
    .flatMap((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as Vector[]);
}

export function readBadVectors(): BadVector[] {
  return JSON.parse(readFileSync(join(directory, BAD), 'utf8')) as BadVector[];
}

/** Byte strings as hex, nested maps alike. */
export function toJson(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(toJson);
  if (body instanceof Uint8Array) return Buffer.from(body).toString('hex');
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, toJson(value)]));
}

export function fromJson(json: unknown): AnyBody {
  const entries = Object.entries(json as object).map(([name, value]): [string, unknown] => {
    const type = keys[name as KeyName][1];
    if (type === 'bytes') return [name, new Uint8Array(Buffer.from(value as string, 'hex'))];
    if (typeof type === 'string') return [name, value];
    return [name, 'map' in type ? fromJson(value) : (value as unknown[]).map(fromJson)];
  });
  return Object.fromEntries(entries);
}
