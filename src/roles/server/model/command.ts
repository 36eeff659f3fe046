/**
 * Commands: what the journal holds. A command is what an admin asked or a node reported, stamped
 * with an id (`key`), true time with its error, and who asked from where. `apply` sees nothing
 * else, so replaying the journal gives the same state everywhere.
 *
 * Bodies are those of the messages they came in, so the record's layout is the message's plus the
 * stamp, encoded by the same codec and registry (PROTOCOL, "Journal records").
 */
import { decodeBody, encodeBody } from '../../../net/codec.ts';
import { type AnyBody, type Fields, layouts, type Req } from '../../../net/layout.ts';

/** Commands that come from messages, under the message's own name. */
const fromMessages = [
  ...(['hostRm', 'hostState', 'hostToken', 'hostTokenRm'] as const),
  ...(['taskAdd', 'taskRm', 'taskRun', 'taskKill', 'taskStop', 'taskCont'] as const),
  ...(['taskOk', 'taskNok', 'fileDef', 'fileRm', 'retExec', 'retCancel'] as const),
  ...(['depSchedule', 'depIdentity', 'depApply', 'depAuthority', 'depDrain'] as const),
] as const;
type MessageCommand = (typeof fromMessages)[number];

/** Commands the server makes itself. */
const own = {
  /** The first record of a journal: the fleet's name for itself, and its first identity. */
  found: { must: ['fleet', 'spki', 'identity'], may: [] },
  enrol: {
    must: ['spki', 'token', 'instance', 'build'],
    may: ['node', 'labels', 'addresses', 'role', 'identity'],
  },
  /** A node's next key: it counts beside the present one until its first use. */
  renew: { must: ['uid', 'spki'], may: [] },
  /** An identity made by whoever owns the server's disk. */
  identify: { must: ['spki', 'identity', 'role'], may: [] },
  attach: {
    must: ['uid', 'instance', 'build', 'addresses'],
    may: ['boot', 'containment', 'holds', 'room', 'spki'],
  },
  /** `lastSeen`: it was not seen to go, only found to be gone. */
  detach: { must: ['uid', 'orderly'], may: ['reason', 'lastSeen'] },
  report: { must: ['uid', 'reports'], may: [] },
  /** Nobody holds the lease of that run any more. */
  leaseOver: { must: ['run'], may: [] },
  /** How wrong a node's clock may be, where that decides on leases; absent: it has no bound. */
  nodeClock: { must: ['uid'], may: ['clockErrorUs'] },
  /** An instant of a load or unload has come: the server's own records change. */
  scheduleDue: { must: ['schedule', 'plannedUs'], may: [] },
  /** These have fired for the last time, a while ago. */
  scheduleSpent: { must: ['names'], may: [] },
  /** Somebody was refused at the door: for the audit, nothing else changes. */
  refused: { must: ['verb', 'targets', 'errorCode', 'text'], may: ['count'] },
  /** What somebody has stored of whom to trust. */
  trusts: { must: ['spki', 'trusts'], may: [] },
  /** Entries of the audit up to this one will not be kept. */
  auditAnchor: { must: ['number', 'hash'], may: [] },
  /** What the server tells of itself: an event, nothing else. */
  told: { must: ['eventKind', 'text'], may: [] },
  /** Time passes: orders expire. */
  tick: { must: [], may: [] },
} as const satisfies Record<string, Fields>;
type OwnCommand = keyof typeof own;

export type CommandKind = MessageCommand | OwnCommand;

type Value<K extends keyof AnyBody> = NonNullable<AnyBody[K]>;
type OwnBody<K extends OwnCommand> = {
  readonly [F in (typeof own)[K]['must'][number]]: Value<F>;
} & { readonly [F in (typeof own)[K]['may'][number]]?: Value<F> | undefined };

export interface Stamp {
  /** The command's id: 16 bytes. A repeat with the same id gets the first reply. */
  readonly key: Uint8Array;
  readonly at: number;
  readonly errorUs?: number | undefined;
  readonly who: string;
  readonly origin: string;
  /** The key whose record is judged. Absent: the server itself, or a node of its own affairs. */
  readonly by?: string | undefined;
}

export type CommandBody<K extends CommandKind> = K extends MessageCommand
  ? Omit<Req<K>, 'key'>
  : K extends OwnCommand
    ? OwnBody<K>
    : never;

export type Command = {
  readonly [K in CommandKind]: { readonly kind: K; readonly body: CommandBody<K> };
}[CommandKind] &
  Stamp;

const stamp = ['commandKind', 'key', 'at', 'who', 'origin'] as const;

const fields = new Map<string, Fields>();
for (const kind of fromMessages) fields.set(kind, withStamp(layouts[kind].req));
for (const [kind, body] of Object.entries(own)) fields.set(kind, withStamp(body));

function withStamp(body: Fields): Fields {
  const must = new Set([...stamp, ...body.must]);
  return { must: [...must], may: ['errorUs', 'by', ...body.may] };
}

const head: Fields = { must: ['commandKind'], may: [] };

export function encodeCommand(command: Command): Uint8Array {
  const { kind, body, ...rest } = command;
  const layout = fields.get(kind);
  if (!layout) throw new Error(`no layout for command ${kind}`);
  return encodeBody(layout, { ...body, ...rest, commandKind: kind });
}

/** Throws `ProtocolError` where the record is not a command this version knows. */
export function decodeCommand(record: Uint8Array): Command {
  const kind = decodeBody(head, record)['commandKind'] as string;
  const layout = fields.get(kind);
  if (!layout) throw new Error(`the journal holds a command of another LOTC: ${kind}`);
  const all = decodeBody(layout, record) as AnyBody & Stamp;
  const { commandKind: _, key, at, errorUs, who, origin, by, ...body } = all;
  return { kind, body, key, at, errorUs, who, origin, by } as unknown as Command;
}
