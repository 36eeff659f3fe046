/**
 * What goes into the agent's core and what comes out: plain data, so that the edge, the tests and
 * the simulator are all able to play the world. Time comes with each event: a monotonic reading
 * for durations, true time with its error for what people mean.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { AnyBody, Failure, Ok, Req, Shape } from '../../net/bodies.ts';
import type { End } from '../../supervisor/end.ts';
import type { Began, Process } from '../../supervisor/process.ts';
import type { Acted, Signalled, TimedAct } from './timed-act.ts';

export type { Acted, Signalled, TimedAct };

export interface Time {
  readonly nowMs: number;
  readonly atUs: number;
  readonly errorUs?: number | undefined;
  /** CLOCK_BOOTTIME in µs, read before the clock was: what came between shortens a lease. */
  readonly bootUs?: number | undefined;
  /** When the server was heard last, by the same clock as `nowMs`. */
  readonly heardMs?: number | undefined;
}

// ---- what is stored ----

export const tableNames = ['meta', 'items', 'reports', 'runs', 'fires', 'cursors'] as const;
export type TableName = (typeof tableNames)[number];

/** A row of a table put (`value`) or removed (undefined). Values are JSON. */
export interface Write {
  readonly table: TableName;
  readonly key: string;
  readonly value: unknown;
}

export type Tables = Readonly<Record<TableName, ReadonlyMap<string, unknown>>>;

export type Item = Shape<'item'>;
export type Report = Shape<'report'>;

export interface StoredItem {
  readonly item: Item;
  /** An order that cannot be repeated (a signal) has been begun: never again. */
  readonly begun?: true | undefined;
  /** Its answer is among the reports, or was. */
  readonly answered?: true | undefined;
  /** No longer assigned; waits until nothing uses the code. */
  readonly leaving?: true | undefined;
  /** That its code lies here is among the reports, or was. */
  readonly told?: true | undefined;
}

export interface StoredRun {
  readonly process: Process;
  /** The order that made the run: what to launch, and whose it is. */
  readonly order: Item;
  /** On its way out by retention. */
  readonly removing?: true | undefined;
  /** Of a run that has ended and whose task keeps files. */
  readonly result?: StoredResult | undefined;
}

/** Result files: looked for, kept here in a tar, or in the server's hands. */
export interface StoredResult {
  readonly state: 'collecting' | 'kept' | 'told';
  readonly collected?: Collected | undefined;
}

export interface Collected {
  /** Absent: there is no tar, for no file was taken. */
  readonly digest?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly files: number;
  /** What was not taken, each with its reason. */
  readonly skipped: readonly string[];
  /** Why nothing could be kept. */
  readonly reason?: string | undefined;
}

// ---- what is found at start ----

export type Found =
  /** It was cancelled at its gate: nothing of it ran. */
  | { readonly kind: 'disarmed' }
  /** Its shim answers; after `attach` it tells what happened. */
  | { readonly kind: 'alive'; readonly frozen: boolean }
  /** The shim is gone and left this; `lapsed`: it ended it with its lease. */
  | {
      readonly kind: 'recorded';
      readonly started?: Started | undefined;
      readonly end: End;
      readonly lapsed?: boolean | undefined;
    }
  | { readonly kind: 'not-started'; readonly reason: string; readonly errorCode: ErrorCode }
  /** Claimed, and never given to a shim. */
  | { readonly kind: 'unlaunched' }
  /** Given to a shim that is neither there nor left a word: how it ended cannot be known. */
  | { readonly kind: 'dead'; readonly reason: string };

export interface FoundRun {
  readonly run: string;
  readonly found: Found;
  /** What its shim has done by itself. */
  readonly acted?: readonly Acted[] | undefined;
  /** The order as it lies in the run's directory, for a run no table knows. */
  readonly order?: Item | undefined;
  /** The launch that was found; absent: the run's first. */
  readonly launch?: number | undefined;
}

// ---- events ----

export type Started = Began;

/** What tells of a run's life (vitals.ts). Times of a shim are on CLOCK_MONOTONIC. */
export type VitalEvent =
  /** A variable of sd_notify(3), as it came. */
  | {
      readonly kind: 'sign';
      readonly name: string;
      readonly value: string;
      readonly atUs: number;
      readonly ageMs: number;
    }
  /** Another process is the main one now (MAINPID). */
  | { readonly kind: 'main'; readonly pid: number; readonly startTicks: number }
  | {
      readonly kind: 'moved';
      readonly stopped: boolean;
      readonly signal: number;
      readonly ageMs: number;
    }
  | { readonly kind: 'quiet'; readonly silentMs: number }
  | { readonly kind: 'marked' }
  | {
      readonly kind: 'inspected';
      readonly launch: number;
      readonly step: 'warn' | 'hang';
      readonly text: string;
    }
  | {
      readonly kind: 'checked';
      readonly launch: number;
      readonly result: 'passed' | 'failed' | 'void';
      readonly text: string;
    };

export type RunEvent =
  /** Held at its gate: until then nothing of the program runs. */
  | { readonly kind: 'armed' }
  /** `sinceMs`: so long ago, where that is told again. */
  | { readonly kind: 'started'; readonly started: Started; readonly sinceMs?: number }
  | VitalEvent
  /** Cancelled at its gate, before its instant: nothing of it ran, and nothing of it is left. */
  | { readonly kind: 'disarmed' }
  | { readonly kind: 'launch-failed'; readonly reason: string; readonly errorCode: ErrorCode }
  /** `left`: something of the tree still lives. */
  | { readonly kind: 'ended'; readonly end: End; readonly left: boolean }
  | { readonly kind: 'gone' }
  | { readonly kind: 'detached'; readonly reason: string }
  /** `lease-over`: its shim ends it, for its lease has ended. */
  | { readonly kind: 'frozen' | 'thawed' | 'lease-over' }
  | { readonly kind: 'freeze-failed' | 'thaw-failed'; readonly reason: string }
  /** `killed`: how many processes KILL found that nobody else had ended. */
  | { readonly kind: 'cleared'; readonly killed: number }
  | { readonly kind: 'stuck'; readonly reason: string }
  /** What was planned was done, at that instant. */
  | { readonly kind: 'acted'; readonly acted: Acted }
  /** What was to be taken back was: what had been done of it has been told. */
  | { readonly kind: 'retracted' }
  | { readonly kind: 'signalled'; readonly order: string; readonly reason?: string | undefined }
  | { readonly kind: 'removed' }
  | { readonly kind: 'collected'; readonly collected: Collected }
  /** Neither taken nor refused for good (a full disk, a busy server): worth another try. */
  | { readonly kind: 'collect-failed' | 'deliver-failed'; readonly reason: string }
  | { readonly kind: 'delivered' }
  | { readonly kind: 'warned'; readonly launch: number; readonly text: string };

export type AgentEvent = { readonly time: Time } & (
  | {
      readonly type: 'boot';
      readonly tables: Tables;
      readonly found: readonly FoundRun[];
      /** Digests of content that lies here, verified and unpacked. */
      readonly content: readonly string[];
    }
  | { readonly type: 'connected'; readonly welcome: Ok<'hostHello'> }
  | { readonly type: 'disconnected' }
  | { readonly type: 'assign'; readonly request: number; readonly body: Req<'synAssign'> }
  | { readonly type: 'reported'; readonly body: Ok<'synReport'> }
  | { readonly type: 'leased'; readonly leases: readonly Shape<'lease'>[] }
  | { readonly type: 'report-refused'; readonly failure: Failure }
  | { readonly type: 'committed'; readonly commit: number }
  | { readonly type: 'commit-failed'; readonly commit: number; readonly reason: string }
  | { readonly type: 'run'; readonly run: string; readonly event: RunEvent }
  | { readonly type: 'bundle-loaded' | 'bundle-removed'; readonly digest: string }
  | {
      readonly type: 'bundle-failed';
      readonly digest: string;
      readonly reason: string;
      /** Worth another try later, for instance when the disk has room again. */
      readonly passing: boolean;
    }
  /** Every run that lives shall stop (`--stop-processes`). */
  | { readonly type: 'stop-all' }
  /** Of the node itself, in words. */
  | { readonly type: 'warned'; readonly text: string }
  | { readonly type: 'tick' }
);

// ---- actions ----

export type AgentAction =
  | { readonly type: 'reply'; readonly request: number; readonly body: Ok<'synAssign'> }
  | { readonly type: 'refuse'; readonly request: number; readonly failure: Failure }
  | { readonly type: 'report'; readonly reports: readonly Report[] }
  | { readonly type: 'commit'; readonly commit: number; readonly writes: readonly Write[] }
  | {
      readonly type: 'fetch-bundle';
      readonly digest: string;
      readonly bundle: string;
      readonly sizeBytes: number | undefined;
    }
  | { readonly type: 'remove-bundle'; readonly digest: string }
  | {
      readonly type: 'launch';
      readonly run: string;
      readonly order: Item;
      /** 0 for the first launch of the run; then its restarts. */
      readonly launch: number;
      /** True time until which the program is held at the shim's gate; undefined: no gate. */
      readonly gateUs?: number | undefined;
      readonly fenceUs?: number | undefined;
    }
  /** When its shim ends it, on CLOCK_BOOTTIME, as `fenceUs` of a launch. */
  | { readonly type: 'fence'; readonly run: string; readonly atUs: number }
  | { readonly type: 'ask-lease'; readonly leases: readonly Shape<'lease'>[] }
  | { readonly type: 'attach'; readonly run: string }
  | { readonly type: 'cancel' | 'freeze' | 'thaw' | 'kill-tree'; readonly run: string }
  | { readonly type: 'release' | 'remove'; readonly run: string }
  | { readonly type: 'terminate'; readonly run: string; readonly signal: string }
  | {
      readonly type: 'signal';
      readonly run: string;
      readonly signal: string;
      readonly order: string;
    }
  /** The shim shall tell of silence after so long (0: never), `anew` counted from now. */
  | { readonly type: 'count'; readonly run: string; readonly us: number; readonly anew: boolean }
  /** The shim shall say `marked` once it has told all that it had. */
  | { readonly type: 'mark'; readonly run: string }
  /** CONT to the whole tree. */
  | { readonly type: 'continue'; readonly run: string }
  | { readonly type: 'check'; readonly run: string; readonly launch: number }
  /** Answered by `inspected`, whose text is this one and what the tree looks like. */
  | {
      readonly type: 'inspect';
      readonly run: string;
      /** The main process. */
      readonly pid: number | undefined;
      readonly launch: number;
      readonly step: 'warn' | 'hang';
      readonly text: string;
    }
  /** Looks for the result files of a run that has ended, and keeps them in a tar beside it. */
  | { readonly type: 'collect'; readonly run: string; readonly order: Item }
  /** Gives the server that tar, as soon as there is one to give it to. */
  | {
      readonly type: 'deliver';
      readonly run: string;
      readonly digest: string;
      readonly sizeBytes: number;
    }
  | { readonly type: 'drop-result'; readonly run: string }
  /**
   * Done at that instant of true time: by the shim, the agent there or not, where it is one write
   * to the run's group; else by a thread of the agent. `atUs` undefined: never mind.
   */
  | ({
      readonly type: 'plan';
      readonly run: string;
      readonly act: TimedAct;
      readonly atUs: number | undefined;
    } & Signalled)
  /** What is planned is taken back, unless it is done; answered by `retracted`, after all `acted`. */
  | { readonly type: 'retract'; readonly run: string; readonly acts: readonly TimedAct[] }
  /** For a sign of life. */
  | { readonly type: 'ask-server' }
  /** When to send the next tick, on the monotonic clock; a later one replaces it. */
  | { readonly type: 'deadline'; readonly atMs: number | undefined }
  /** The run's row has changed, for whoever follows it on this node. */
  | { readonly type: 'changed'; readonly run: string }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
      readonly facts?: AnyBody | undefined;
    };
