/**
 * Who may send what: one table, message × role, and one for the questions of a query. A cell that
 * is missing refuses, so a message that is added to the layout is allowed to nobody until it is
 * written here. docs/SECURITY.md prints both; a test tries every cell.
 *
 * `enrol` is a session whose key is a join token: it may enrol and nothing else. Which nodes a
 * request is about, and so what `scope` means for it, says `model/reach.ts`.
 */
import type { AnyBody, MessageKind } from '../../net/layout.ts';

export const peerRoles = ['enrol', 'agent', 'viewer', 'operator', 'admin'] as const;
export type PeerRole = (typeof peerRoles)[number];

/**
 * - `no`, `yes`
 * - `scope`: every node it is about lies in the asker's scope
 * - `define`, `run`, `logs`: that, and the asker has the grant of that name
 * - `own`: of the node itself, which the session names and no field of a message
 */
export type Right = 'no' | 'yes' | 'scope' | 'define' | 'run' | 'logs' | 'own';

/** What each role may, in the order of `peerRoles`. */
type Row = readonly [enrol: Right, agent: Right, viewer: Right, operator: Right, admin: Right];

const everybody: Row = ['yes', 'yes', 'yes', 'yes', 'yes'];
const talkers: Row = ['no', 'yes', 'yes', 'yes', 'yes'];
const ownOnly: Row = ['no', 'own', 'no', 'no', 'no'];
const nobody: Row = ['no', 'no', 'no', 'no', 'no'];
const adminOnly: Row = ['no', 'no', 'no', 'no', 'yes'];
const readers: Row = ['no', 'no', 'yes', 'yes', 'yes'];
const output: Row = ['no', 'no', 'logs', 'scope', 'yes'];
const inScope: Row = ['no', 'no', 'no', 'scope', 'yes'];
const definers: Row = ['no', 'no', 'no', 'define', 'yes'];
const runners: Row = ['no', 'no', 'no', 'run', 'yes'];

/** Requests to the server. */
export const toServer: Readonly<Record<MessageKind, Row>> = {
  // A node's: a new key for itself.
  hostAdd: ['yes', 'own', 'no', 'no', 'no'],
  hostRm: adminOnly,
  hostState: inScope,
  hostHello: everybody,
  hostBye: ownOnly,
  hostSample: ownOnly,
  hostToken: adminOnly,
  hostTokenRm: adminOnly,
  taskAdd: definers,
  taskRm: definers,
  taskRun: inScope,
  taskKill: inScope,
  taskStop: inScope,
  taskCont: inScope,
  taskOk: inScope,
  taskNok: inScope,
  depSchedule: inScope,
  depIdentity: adminOnly,
  depAuthority: adminOnly,
  depApply: inScope,
  depDrain: inScope,
  fileDef: definers,
  fileRm: definers,
  filePut: ['no', 'own', 'no', 'define', 'yes'],
  fileGet: ['no', 'own', 'logs', 'scope', 'yes'],
  fileChunk: ['no', 'own', 'no', 'define', 'yes'],
  fileCredit: talkers,
  fileOffer: nobody,
  retQuery: readers,
  retWatch: readers,
  retLog: output,
  retExec: runners,
  retInput: runners,
  retCancel: inScope,
  retWait: readers,
  synDef: talkers,
  synAssign: nobody,
  synReport: ownOnly,
  synLease: ownOnly,
  synDrop: talkers,
  synNow: nobody,
  synAuthority: nobody,
  synNode: readers,
  ping: everybody,
  pingNode: readers,
};

/** What `retQuery` and `retWatch` may be asked, by those who may ask at all. */
export const questions = {
  nodes: readers,
  processes: readers,
  tasks: readers,
  bundles: readers,
  operations: readers,
  events: readers,
  stats: readers,
  history: readers,
  schedules: readers,
  next: readers,
  planned: readers,
  fires: readers,
  summaries: readers,
  limits: readers,
  results: output,
  tokens: adminOnly,
  identities: adminOnly,
  audit: adminOnly,
  ca: adminOnly,
} as const satisfies Readonly<Record<string, Row>>;

export type Question = keyof typeof questions;

const isQuestion = (query: string): query is Question => Object.hasOwn(questions, query);

/** What a role may of a request to the server; whether it has scope and grants is judged later. */
export function rightOf(role: PeerRole, kind: MessageKind, body: AnyBody): Right {
  const column = peerRoles.indexOf(role);
  const right = toServer[kind]?.[column] ?? 'no';
  if (right === 'no' || (kind !== 'retQuery' && kind !== 'retWatch')) return right;
  const { query = '' } = body;
  // What is no question at all is told to who may ask everything, and to nobody else.
  const row: Row = isQuestion(query) ? questions[query] : adminOnly;
  return row[column] ?? 'no';
}
