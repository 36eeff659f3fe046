/**
 * The audit: an entry for each command somebody asked for, with the answer it got, chained to the
 * one before. Made by `apply` out of the record alone, so every replay makes the same chain; its
 * end is part of the state, so that what is cut off shows too.
 */
import { errorCodes } from '../../../base/errors.ts';
import { type AuditEntry, auditHash } from '../../../net/audit.ts';
import type { AnyBody } from '../../../net/layout.ts';
import type { Change } from './change.ts';
import type { CommandBody } from './command.ts';
import type { Reply } from './state.ts';

/** Of targets and of nodes; an entry must not become as large as a fleet. */
const NAMED = 100;
const TEXT_CHARACTERS = 500;

/** Commands without a key are the server's own, and a node's reports of itself. */
export function noteAudit(change: Change, reply: Reply): void {
  const { command, state } = change;
  const { by, at, errorUs: clockErrorUs, who, origin } = command;
  if (by === undefined) return;
  const body: AnyBody = command.body;
  const { number, hash: previous } = state.audit;
  const entry: AuditEntry = {
    ...{ number: number + 1, seq: state.seq, at, clockErrorUs, who, by, origin },
    ...(command.kind === 'refused' ? refusedPart(command.body) : askedPart(change, body, reply)),
  };
  const hash = auditHash(previous, entry);
  state.audit = { ...state.audit, number: entry.number, hash };
  change.audit = { ...entry, hash };
}

type Part = Pick<AuditEntry, 'verb' | 'targets' | 'names' | 'errorCode' | 'text' | 'count'>;

function askedPart(change: Change, body: AnyBody, reply: Reply): Part {
  const { kind } = change.command;
  const names = [...change.nodes].map((uid) => change.state.nodes.get(uid)?.name ?? uid);
  return {
    verb: verbOf(kind, body),
    targets: targetsOf(body),
    names: names.sort().slice(0, NAMED),
    ...(reply.ok ? {} : { errorCode: errorCodes[reply.code].number, text: cut(reply.text) }),
  };
}

function refusedPart({ verb, targets, errorCode, text, count }: CommandBody<'refused'>): Part {
  return { verb, targets, errorCode, text, count };
}

export const verbOf = (kind: string, { mode }: AnyBody): string =>
  mode === undefined ? kind : `${kind} ${mode}`;

/** What a request names, in its own words; never what it carries (variables, contents). */
export function targetsOf(body: AnyBody): readonly string[] {
  const { targets, names, task, bundle, node, operation, schedule, identity, role, scope, on } =
    body;
  const one = task ?? bundle ?? node ?? operation ?? schedule ?? identity;
  const command = body.spec && task === undefined ? [body.spec.command.join(' ')] : [];
  const all = [
    ...(targets ?? names ?? (one === undefined ? [] : [one])),
    ...command,
    ...(role === undefined ? [] : [`role=${role}`]),
    ...(scope === undefined ? [] : [`scope=${scope}`]),
    ...(on === undefined ? [] : [`on=${on}`]),
  ];
  return all.slice(0, NAMED).map(cut);
}

const cut = (text: string): string =>
  text.length <= TEXT_CHARACTERS ? text : `${text.slice(0, TEXT_CHARACTERS)}…`;

/** What is older is about to go: the chain is checked from here on. */
export function moveAnchor(change: Change, body: CommandBody<'auditAnchor'>): Reply {
  const { state } = change;
  const { number, hash } = body;
  if (number <= state.audit.anchorNumber || number > state.audit.number) {
    return { ok: true, body: { unchanged: true } };
  }
  state.audit = { ...state.audit, anchorNumber: number, anchorHash: hash };
  const text = `audit: entries up to ${number} are no longer kept (hash ${hash})`;
  change.event({ kind: 'audit-anchored', text });
  return { ok: true, body: {} };
}
