/**
 * Who may send what: one table, message × role. A cell that is missing refuses, so a message that
 * is added to the layout is allowed to nobody until it is written here (a test compares both).
 *
 * `enrol` is a session whose key is a join token: it may enrol and nothing else. What the server
 * sends to agents and consoles stands in `fromServer`.
 */
import type { MessageKind } from '../../net/layout.ts';

export type PeerRole = 'admin' | 'agent' | 'enrol';

const everybody = ['admin', 'agent', 'enrol'] as const;
const talkers = ['admin', 'agent'] as const;

/** Requests to the server. */
export const toServer: Record<MessageKind, readonly PeerRole[]> = {
  hostAdd: ['enrol'],
  hostRm: ['admin'],
  hostState: ['admin'],
  hostHello: everybody,
  hostBye: ['agent'],
  hostSample: ['agent'],
  hostToken: ['admin'],
  hostTokenRm: ['admin'],
  taskAdd: ['admin'],
  taskRm: ['admin'],
  taskRun: ['admin'],
  taskKill: ['admin'],
  taskStop: ['admin'],
  taskCont: ['admin'],
  taskOk: ['admin'],
  taskNok: ['admin'],
  depSchedule: ['admin'],
  fileDef: ['admin'],
  fileRm: ['admin'],
  filePut: ['admin'],
  fileGet: ['agent'],
  fileChunk: ['admin'],
  fileCredit: talkers,
  fileOffer: [],
  retQuery: ['admin'],
  retWatch: ['admin'],
  retLog: ['admin'],
  retExec: ['admin'],
  retInput: ['admin'],
  retCancel: ['admin'],
  retWait: ['admin'],
  synDef: talkers,
  synAssign: [],
  synReport: ['agent'],
  synDrop: talkers,
  synNow: [],
  synNode: ['admin'],
  ping: everybody,
  pingNode: ['admin'],
};

/** Requests the server makes of an agent; everything else a server sends is an answer. */
export const fromServer: ReadonlySet<MessageKind> = new Set([
  'synAssign',
  'retLog',
  'retInput',
  'fileChunk',
  'fileCredit',
  'fileOffer',
  'synDrop',
  'synDef',
  'synNow',
  'ping',
]);

export type Direction = 'to-server' | 'from-server';

export function may(role: PeerRole, kind: MessageKind, direction: Direction): boolean {
  if (direction === 'from-server') return role === 'agent' && fromServer.has(kind);
  return toServer[kind]?.includes(role) ?? false;
}
