/**
 * The one layout table: which message has which code byte, and which keys its body must and may
 * hold in each of its states. The codec, docs/PROTOCOL.md and dissector.lua are checked against
 * it; the TypeScript types of all bodies are derived from it, so a wrong field does not compile.
 *
 * The code byte keeps the original LOTC layout CCC SSS TT: category, subcategory, state. Every
 * REQ gets ACK (received, durable) and then OK (done) or ERR (failed), or OK / ERR at once.
 * A request without an answer (id 0) has only a `req` layout.
 */
import { dependencyLayouts } from './layout-dep.ts';
import { transferLayouts } from './layout-transfer.ts';
import { type Fields, shapes } from './shapes.ts';
import { stepLayouts } from './step-layout.ts';

export type { Ack, AnyBody, Failure, Ok, Req, Shape } from './bodies.ts';
export { type Fields, shapes };

const none = { must: [], may: [] } as const satisfies Fields;

export const categories = ['HOST', 'TASK', 'DEP', 'FILE', 'RET', 'SYN', 'PING', 'ERR'] as const;
export const states = ['REQ', 'ACK', 'OK', 'ERR'] as const;
export type Category = (typeof categories)[number];
export type State = (typeof states)[number];

/** What the ERR state of every message holds: the thing and the reason, the remedy, the code. */
export const failure = {
  must: ['errorCode', 'text'],
  may: ['hint', 'node', 'answers', 'operation', 'offset'],
} as const satisfies Fields;

export interface Layout {
  readonly category: Category;
  readonly sub: number;
  readonly name: string;
  readonly req: Fields;
  readonly ack?: Fields;
  readonly ok?: Fields;
}

const verb = { must: ['key', 'targets'], may: ['on', 'wait', 'present', 'timing'] } as const;
const verbAck = { must: ['operation'], may: ['seq', 'answers'] } as const;
/** `schedules`: of a verb with `timing`, which makes schedules and no operation. */
const verbOk = {
  must: [],
  may: ['operation', 'answers', 'seq', 'processes', 'schedules', 'unchanged'],
} as const;

export const layouts = {
  // HOST: nodes, who they are and how they are
  hostAdd: {
    ...{ category: 'HOST', sub: 0, name: 'ADD' },
    /** `role`: what it wants to be, an agent where it is absent; `identity`: a console's name, and `node` one for want of any. */
    req: { must: ['csr', 'instance', 'build'], may: ['node', 'labels', 'role', 'identity'] },
    ok: {
      must: ['certificate', 'authority', 'fleet'],
      may: ['node', 'uid', 'labels', 'identity', 'role'],
    },
  },
  hostRm: {
    ...{ category: 'HOST', sub: 1, name: 'RM' },
    req: { must: ['key', 'names'], may: ['force', 'present'] },
    ack: verbAck,
    ok: verbOk,
  },
  hostState: {
    ...{ category: 'HOST', sub: 2, name: 'STATE' },
    req: { must: ['key', 'node'], may: ['labels', 'labelsRemoved'] },
    ok: { must: ['nodes'], may: ['seq', 'unchanged'] },
  },
  hostHello: {
    ...{ category: 'HOST', sub: 3, name: 'HELLO' },
    /** `trusts`: which CAs it has; `authority`, to a console: which it shall have from now on. */
    req: {
      must: ['build', 'features', 'role', 'instance'],
      may: [
        ...['node', 'generation', 'journal', 'seenSeq', 'boot', 'containment', 'seq', 'reset'],
        ...['heartbeatMs', 'holds', 'room', 'trusts'],
      ],
    },
    ok: {
      must: ['build', 'features', 'fleet', 'at', 'heartbeatMs'],
      may: ['journal', 'seq', 'errorUs', 'identity', 'node', 'role', 'after', 'authority'],
    },
  },
  hostBye: {
    ...{ category: 'HOST', sub: 4, name: 'BYE' },
    req: { must: [], may: ['reason'] },
    ok: none,
  },
  hostSample: {
    ...{ category: 'HOST', sub: 5, name: 'SAMPLE' },
    req: { must: ['samples'], may: ['running', 'clock', 'diskFreeBytes'] },
  },
  hostToken: {
    ...{ category: 'HOST', sub: 6, name: 'TOKEN' },
    req: {
      must: ['key', 'spki', 'role', 'ttlMs', 'usesLeft'],
      may: ['node', 'labels', 'scope', 'grants', 'identityTtlMs'],
    },
    /** `pin`: of the CA that the token has to name. */
    ok: { must: ['tokens'], may: ['seq', 'pin'] },
  },
  hostTokenRm: {
    ...{ category: 'HOST', sub: 7, name: 'TOKEN_RM' },
    req: { must: ['key', 'names'], may: [] },
    ok: { must: [], may: ['seq'] },
  },

  // TASK: definitions and what is done with them
  taskAdd: {
    ...{ category: 'TASK', sub: 0, name: 'ADD' },
    req: { must: ['key', 'task', 'spec', 'mode'], may: ['enabled'] },
    ok: { must: ['revision'], may: ['unchanged', 'seq', 'tasks'] },
  },
  taskRm: {
    ...{ category: 'TASK', sub: 1, name: 'RM' },
    req: { must: ['key', 'names'], may: ['force', 'wait'] },
    ack: verbAck,
    ok: verbOk,
  },
  taskRun: {
    ...{ category: 'TASK', sub: 2, name: 'RUN' },
    req: { must: verb.must, may: [...verb.may, 'env', 'arguments', 'mode'] as const },
    ack: verbAck,
    ok: verbOk,
  },
  taskKill: {
    ...{ category: 'TASK', sub: 3, name: 'KILL' },
    req: { must: verb.must, may: [...verb.may, 'signal', 'mode'] as const },
    ack: verbAck,
    ok: verbOk,
  },
  taskStop: {
    ...{ category: 'TASK', sub: 4, name: 'STOP' },
    req: { must: verb.must, may: [...verb.may, 'expiresMs'] as const },
    ack: verbAck,
    ok: verbOk,
  },
  taskCont: {
    ...{ category: 'TASK', sub: 5, name: 'CONT' },
    req: { must: verb.must, may: [...verb.may, 'expiresMs'] as const },
    ack: verbAck,
    ok: verbOk,
  },
  taskOk: {
    ...{ category: 'TASK', sub: 6, name: 'OK' },
    req: { must: ['key', 'names'], may: [] },
    ok: { must: ['answers'], may: ['seq'] },
  },
  taskNok: {
    ...{ category: 'TASK', sub: 7, name: 'NOK' },
    req: { must: ['key', 'names'], may: [] },
    ok: { must: ['answers'], may: ['seq'] },
  },

  ...dependencyLayouts,

  // FILE: bundles and the transfer of their content
  fileDef: {
    ...{ category: 'FILE', sub: 0, name: 'DEF' },
    req: {
      must: ['key', 'bundle', 'digest', 'sizeBytes'],
      may: ['on', 'replace', 'wait', 'timing', 'signature'],
    },
    ack: verbAck,
    ok: verbOk,
  },
  fileRm: {
    ...{ category: 'FILE', sub: 1, name: 'RM' },
    req: { must: ['key', 'names'], may: ['on', 'force', 'wait', 'timing'] },
    ack: verbAck,
    ok: verbOk,
  },
  ...transferLayouts,

  // RET: what comes back: answers to questions, output, operations
  retQuery: {
    ...{ category: 'RET', sub: 1, name: 'QUERY' },
    req: {
      must: ['query'],
      may: [
        ...['names', 'on', 'states', 'all', 'run', 'since', 'limit', 'after', 'task'],
        ...['operation', 'node', 'wait', 'tail'],
      ] as const,
    },
    ok: {
      must: [],
      may: [
        ...['nodes', 'processes', 'tasks', 'bundles', 'operations', 'events', 'tokens'],
        ...['samples', 'seq', 'after', 'schedules', 'fires', 'summaries', 'identities'],
        ...['audits', 'number', 'hash', 'anchorNumber', 'anchorHash', 'keeps', 'ca'],
        ...['tallies'],
      ] as const,
    },
  },
  /** Like a query, but every change follows as a MORE frame until the asker cancels or leaves. */
  retWatch: {
    ...{ category: 'RET', sub: 2, name: 'WATCH' },
    req: { must: ['query'], may: ['names', 'on', 'since', 'after', 'run', 'task'] },
    ack: none,
    ok: { must: [], may: ['events', 'samples', 'processes', 'audits'] },
  },
  /** Output of runs. MORE frames carry data; `credit` bounds what is on its way. */
  retLog: {
    ...{ category: 'RET', sub: 3, name: 'LOG' },
    req: {
      must: ['credit'],
      may: ['targets', 'on', 'run', 'follow', 'tail', 'since', 'streams', 'operation', 'all'],
    },
    ack: { must: [], may: ['processes'] },
    ok: {
      must: [],
      may: [
        ...['node', 'run', 'task', 'stream', 'data', 'at', 'offset', 'process', 'text'],
        'processes',
      ] as const,
    },
  },
  /** Ad-hoc command: runs with no task. ACK names the runs; output comes through retLog. */
  retExec: {
    ...{ category: 'RET', sub: 4, name: 'EXEC' },
    req: {
      must: ['key', 'spec', 'on', 'credit'],
      may: ['stdin', 'tty', 'rows', 'columns', 'present', 'nodes'],
    },
    ack: { must: ['operation', 'processes'], may: ['seq'] },
    ok: {
      must: [],
      may: ['node', 'run', 'stream', 'data', 'at', 'offset', 'process', 'processes', 'answers'],
    },
  },
  /** Input for the runs of an exec, in order; answered when written. `last` closes it. */
  retInput: {
    ...{ category: 'RET', sub: 5, name: 'INPUT' },
    req: { must: [], may: ['operation', 'run', 'data', 'last', 'rows', 'columns', 'signal'] },
    ok: { must: [], may: ['answers'] },
  },
  retCancel: {
    ...{ category: 'RET', sub: 6, name: 'CANCEL' },
    req: { must: ['key', 'operation'], may: [] },
    ok: { must: ['operations'], may: ['seq'] },
  },
  /** Wait for an operation's answers, or for processes to reach a state; OK when it is decided. */
  retWait: {
    ...{ category: 'RET', sub: 7, name: 'WAIT' },
    req: { must: [], may: ['operation', 'targets', 'on', 'waitFor'] },
    ok: { must: [], may: ['operations', 'processes', 'answers'] },
  },

  ...stepLayouts,
} as const satisfies Record<string, Layout>;

export type MessageKind = keyof typeof layouts;

/** ERR category: answers to frames that could not be read. State is always ERR, id 0. */
export const frameErrors = { HEAD: 0, LGTH: 1, CSUM: 2, TASK: 3, FILE: 4, OTH: 7 } as const;
