/**
 * What the server knows: the state of the replicated machine.
 *
 * It holds the living set only: ended runs (but the latest of each task on each node), finished
 * operations and events are history, projected into the journal's tables. Records are never
 * changed in place, only replaced, so a snapshot is a shallow copy that is written out in slices
 * while commands go on being applied. Indexes are derived and rebuilt when a snapshot is loaded.
 */
import { AUDIT_START } from '../../../net/audit.ts';
import type { Shape } from '../../../net/layout.ts';
import type { CaState } from './certificates.ts';
import type { Load } from './place.ts';
import type {
  Assignment,
  AuditState,
  Given,
  Held,
  Leased,
  Leaving,
  NodeMore,
  OperationRecord,
  Owed,
  ReplyRecord,
  ResultRecord,
} from './records.ts';

export type { Answer, Assignment, OperationRecord, OperationState, Reply } from './records.ts';

export type Labels = Readonly<Record<string, string>>;
/** Of people and programs at a console, and of nodes. */
export const consoleRoles = ['viewer', 'operator', 'admin'] as const;
export type ConsoleRole = (typeof consoleRoles)[number];
export type Role = ConsoleRole | 'agent';

export interface NodeRecord extends NodeMore {
  /** Never re-used, unlike the name: rights hang on it. */
  readonly uid: string;
  readonly name: string;
  readonly labels: Labels;
  readonly spki: string;
  readonly instance: string;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Highest report applied; what comes again with a lower seq is a repeat. */
  readonly reportSeq: number;
  readonly build: string;
  readonly addresses: readonly string[];
  readonly boot: string;
  readonly containment: string;
  /** By what it holds each kind of limit (limits.ts); absent: it has not said. */
  readonly holds?: Readonly<Record<string, string>> | undefined;
  /** What its runs may ask for together (supervisor/room.ts); absent: it has not said. */
  readonly room?: Shape<'room'> | undefined;
  /** When it was last seen to come or go; presence itself is soft state. */
  readonly lastSeen: number;
  /** It left in an orderly way: `offline`, not `unresponsive`. */
  readonly left: boolean;
  /** The operation that removes it as soon as its last process has ended. */
  readonly removing?: string | undefined;
  /** It came and has not been seen to go: where it was last known to be, after a restart. */
  readonly here?: true | undefined;
  /** The operation that drains it: nothing is placed there, nothing starts there. */
  readonly draining?: string | undefined;
}

export interface IdentityRecord {
  /** Hex SHA-256 of the public key (DER SubjectPublicKeyInfo). */
  readonly spki: string;
  readonly name: string;
  readonly role: Role;
  /** Of an agent: the uid of its node. */
  readonly node?: string | undefined;
  /** A selector: the nodes it may act on. Absent: all. */
  readonly scope?: string | undefined;
  readonly grants?: readonly string[] | undefined;
  readonly createdAt: number;
  readonly createdBy?: string | undefined;
  /** From where it was made. */
  readonly origin?: string | undefined;
  /** When it lapses, in true time. Absent: it does not. */
  readonly expiresAt?: number | undefined;
  /** Kept, so that whoever shows the key is told why it is refused. */
  readonly revokedAt?: number | undefined;
  /** Of a node's key: when its successor was first used. Who shows it after that is not the node. */
  readonly retiredAt?: number | undefined;
  /** When it last commanded something; sessions that only read are soft state. */
  readonly lastSeen?: number | undefined;
  /** Which CAs it was told of and has stored (net/trust-word.ts). */
  readonly trusts?: string | undefined;
}

export interface TokenRecord {
  readonly token: string;
  readonly spki: string;
  readonly role: Role;
  readonly usesLeft: number;
  readonly expiresAt: number;
  /** The name of the node, or of the identity, that it makes. */
  readonly node?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly scope?: string | undefined;
  readonly grants?: readonly string[] | undefined;
  readonly identityTtlMs?: number | undefined;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Keys enrolled with it, so that a lost answer can be asked for again. */
  readonly enrolled: readonly string[];
  readonly usedBy?: string | undefined;
}

export interface BundleRecord {
  readonly bundle: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Who vouches for this content, and the key that does; nobody need. */
  readonly signature?: string | undefined;
  readonly signer?: string | undefined;
  /** Bounded selectors, any of which selects a node; nodes it was unloaded from by name. */
  readonly on: readonly string[];
  readonly except: readonly string[];
  readonly createdAt: number;
  readonly at: number;
  readonly who: string;
}

export interface PresenceRecord {
  readonly uid: string;
  readonly bundle: string;
  readonly digest: string;
  readonly state: string;
  readonly reason?: string | undefined;
}

export interface TaskRecord {
  readonly task: string;
  readonly spec: Shape<'spec'>;
  readonly enabled: boolean;
  readonly revision: number;
  readonly createdAt: number;
  readonly at: number;
  readonly who: string;
  /** The scope of who defined it: it never reaches a node outside, also none that joins later. */
  readonly within?: string | undefined;
  readonly removing?: string | undefined;
  /** Bounded selectors of the starts that stand: nodes to come that match one are meant too. */
  readonly wished?: readonly string[] | undefined;
  /** With `instances`: the uids of the nodes it is on, in the order they were chosen. */
  readonly placed?: readonly string[] | undefined;
  /** By uid: what spoke for each when it was chosen, in words. */
  readonly chosen?: Readonly<Record<string, string>> | undefined;
  readonly leaving?: readonly Leaving[] | undefined;
  readonly owed?: readonly Owed[] | undefined;
}

/** An action bound to instants: one object, whatever number of nodes holds it. */
export interface ScheduleRecord {
  /** As nodes are assigned it, but for what is paused. `on` is also who it is for. */
  readonly plan: Shape<'schedule'>;
  /** As of a task. */
  readonly within?: string | undefined;
  readonly paused: boolean;
  /** Uids of nodes where this one rests. */
  readonly pausedOn: readonly string[];
  /** Up to this instant the server has done its own part (load and unload change its records). */
  readonly doneUs: number;
}

/** What an unanswered order will make of a run; verbs that follow are judged by it. */
export type Ordered = 'down' | 'suspended' | 'running';

export interface RunRecord extends Leased {
  readonly run: string;
  readonly task?: string | undefined;
  readonly uid: string;
  readonly bundle?: string | undefined;
  readonly digest?: string | undefined;
  readonly operation: string;
  readonly createdAt: number;
  readonly ended: boolean;
  readonly ordered?: Ordered | undefined;
  /** Its node has said what it kept of the run's files. */
  readonly collected?: true | undefined;
  /** Its start is not ordered yet: it waits for runs on other nodes. */
  readonly held?: Held | undefined;
  /** What its start added to its task, for one that takes its place. */
  readonly given?: Given | undefined;
  /** The row as its node last reported it. */
  readonly row: Shape<'process'>;
}

export interface OrderRecord {
  readonly order: string;
  readonly operation: string;
  readonly uid: string;
  readonly verb: string;
  readonly run?: string | undefined;
  readonly task?: string | undefined;
  readonly expiresAt?: number | undefined;
}

export interface State {
  fleet: string;
  /** Position and true time of the last command applied. */
  seq: number;
  at: number;
  audit: AuditState;
  /** Once the fleet's CA was to be rotated. */
  ca?: CaState | undefined;
  readonly nodes: Map<string, NodeRecord>;
  readonly identities: Map<string, IdentityRecord>;
  readonly tokens: Map<string, TokenRecord>;
  readonly bundles: Map<string, BundleRecord>;
  readonly presences: Map<string, PresenceRecord>;
  readonly tasks: Map<string, TaskRecord>;
  readonly runs: Map<string, RunRecord>;
  readonly operations: Map<string, OperationRecord>;
  readonly orders: Map<string, OrderRecord>;
  readonly assignments: Map<string, Assignment>;
  readonly replies: Map<string, ReplyRecord>;
  readonly schedules: Map<string, ScheduleRecord>;
  readonly results: Map<string, ResultRecord>;
  readonly index: Index;
}

/** Derived from the records; never in a snapshot. */
export interface Index {
  readonly nodeByName: Map<string, string>;
  /** Key `task uid` → ids of its runs in order of creation (live ones and the latest ended). */
  readonly runsOf: Map<string, readonly string[]>;
  readonly runsOn: Map<string, ReadonlySet<string>>;
  /** Task → nodes that have runs of it. */
  readonly ranOn: Map<string, Set<string>>;
  readonly ordersOfRun: Map<string, ReadonlySet<string>>;
  /** Task → runs that are held back until something becomes of it. */
  readonly heldFor: Map<string, Set<string>>;
  readonly schedulesOf: Map<string, Set<string>>;
  /** Schedules of bundles, in which the server has its own part. */
  readonly bundleSchedules: Set<string>;
  /** Key `task uid` → how many schedules of the task the node holds. */
  readonly taskUses: Map<string, number>;
  /** Node → tasks with `instances` that are placed there, or leave it. */
  readonly placedOn: Map<string, Set<string>>;
  /** Tasks for which a place or a start is missing. */
  readonly short: Set<string>;
  /** Operations that wait for nodes on which nothing runs any more (drain.ts). */
  readonly draining: Set<string>;
  /** Node → what the tasks placed there ask for. */
  readonly asked: Map<string, Load>;
}

export function emptyState(): State {
  return {
    fleet: '',
    seq: 0,
    at: 0,
    audit: { number: 0, hash: AUDIT_START, anchorNumber: 0, anchorHash: AUDIT_START },
    nodes: new Map(),
    identities: new Map(),
    tokens: new Map(),
    bundles: new Map(),
    presences: new Map(),
    tasks: new Map(),
    runs: new Map(),
    operations: new Map(),
    orders: new Map(),
    assignments: new Map(),
    replies: new Map(),
    schedules: new Map(),
    results: new Map(),
    index: {
      ...{ nodeByName: new Map(), runsOf: new Map(), runsOn: new Map(), ordersOfRun: new Map() },
      heldFor: new Map(),
      ...{ schedulesOf: new Map(), bundleSchedules: new Set(), taskUses: new Map() },
      ...{
        ranOn: new Map(),
        placedOn: new Map(),
        short: new Set(),
        asked: new Map(),
        draining: new Set(),
      },
    },
  };
}

export const endedStates: ReadonlySet<string> = new Set(['exited', 'failed', 'lost']);
