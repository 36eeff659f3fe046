/**
 * What a node has to give to its runs together, and what a run asks for: slots, cores, memory. The
 * same words for the node, which decides by them, and for the server, which refuses what never
 * will fit. Pure. docs/PRIORITIES.md has the rules.
 */
import { parseCount } from '../base/count.ts';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { parseSizeBytes, roughSizeBytes } from '../base/size.ts';

export interface Room {
  /** Undefined: there is no bound on them. */
  readonly slots?: number | undefined;
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface Ask {
  readonly slots: number;
  readonly cores: number;
  readonly memoryBytes: number;
}

/** As a task's spec has it. */
export interface GivenAsk {
  readonly slots?: number | undefined;
  readonly cpuMax?: number | undefined;
  readonly memoryMaxBytes?: number | undefined;
  readonly restart?: string | undefined;
  readonly priority?: number | undefined;
  readonly preempt?: string | undefined;
}

/** What a run of a task asks for; an ad-hoc command (no task) takes no slot unless it says so. */
export function askOf(given: GivenAsk | undefined, isTask = true): Ask {
  const { slots, cpuMax = 0, memoryMaxBytes = 0, restart } = given ?? {};
  const one = isTask && restart !== 'always' ? 1 : 0;
  return { slots: slots ?? one, cores: cpuMax, memoryBytes: memoryMaxBytes };
}

/** Cores are summed in thousandths: a sum of tenths would not be what it says. */
export const milli = (cores: number): number => Math.round(cores * 1000);

/** Why a node never has room for it; undefined where it may. */
export function roomFault(ask: Ask, room: Room): string | undefined {
  const { slots = Infinity, cores, memoryBytes } = room;
  if (ask.slots > slots) return `it asks for ${countOf(ask.slots)}, and the node has ${slots}`;
  if (milli(ask.cores) > milli(cores)) {
    return `it asks for ${coresOf(ask.cores)}, and the node has ${cores}`;
  }
  if (ask.memoryBytes > memoryBytes) {
    const has = roughSizeBytes(memoryBytes);
    return `it asks for ${roughSizeBytes(ask.memoryBytes)} of memory, and the node has ${has}`;
  }
  return undefined;
}

export const countOf = (slots: number): string => `${slots} ${slots === 1 ? 'slot' : 'slots'}`;
export const coresOf = (cores: number): string =>
  `${Number(cores.toFixed(3))} ${cores === 1 ? 'core' : 'cores'}`;

/** For instance `1 slot, 0.5 cores`; empty where it asks for nothing. */
export function askText({ slots, cores, memoryBytes }: Ask): string {
  const parts = [
    ...(slots > 0 ? [countOf(slots)] : []),
    ...(cores > 0 ? [coresOf(cores)] : []),
    ...(memoryBytes > 0 ? [`${roughSizeBytes(memoryBytes)} of memory`] : []),
  ];
  return parts.join(', ');
}

/** Which of these values is none; undefined when all may be. */
export function askValueFault({ slots, priority, preempt }: GivenAsk): string | undefined {
  if (slots !== undefined && slots > limits.slotsMax) {
    return `slots: ${slots} is more than ${limits.slotsMax}`;
  }
  if (priority !== undefined && priority > limits.priorityMax) {
    return `priority: ${priority} is not between 0 and ${limits.priorityMax}`;
  }
  if (preempt !== undefined && !(preemptions as readonly string[]).includes(preempt)) {
    return `preempt: "${preempt}" is none of ${preemptions.join(', ')}`;
  }
  return undefined;
}

/** What a start does about running work of a lower priority that is in its way. */
export const preemptions = ['no', 'suspend', 'kill'] as const;

// ---- the node ----

/** What the operator says of a node. */
export interface Claims {
  readonly slots?: number | undefined;
  /** Kept from tasks. */
  readonly cores?: number | undefined;
  readonly memoryBytes?: number | undefined;
}

/** What is left of a machine for tasks; never less than nothing. */
export function roomOf(machine: Room, claims: Claims): Room {
  const { slots, cores = 0, memoryBytes = 0 } = claims;
  return {
    slots,
    cores: Math.max(0, milli(machine.cores) - milli(cores)) / 1000,
    memoryBytes: Math.max(0, machine.memoryBytes - memoryBytes),
  };
}

/** `--reserve memory=SIZE,cpu=N`, either or both. */
export function parseReserve(text: string): Claims {
  let claims: Claims = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const value = part.slice(at + 1);
    const key = part.slice(0, at);
    if (key === 'memory') {
      claims = { ...claims, memoryBytes: parseSizeBytes(value, '--reserve memory') };
    } else if (key === 'cpu') claims = { ...claims, cores: coresFrom(value) };
    else {
      throw new LotcError('usage', `--reserve: "${part}" is neither memory=SIZE nor cpu=N`, {
        hint: 'for instance --reserve memory=1GiB,cpu=0.5',
      });
    }
  }
  return claims;
}

/** `--slots N` of an agent. */
export function parseSlots(text: string): number {
  const slots = parseCount(text, '--slots', 0);
  if (slots <= limits.slotsMax) return slots;
  throw new LotcError('usage', `--slots: ${slots} is more than ${limits.slotsMax}`);
}

function coresFrom(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new LotcError('usage', `--reserve cpu: "${text}" is not a number of cores`);
}
