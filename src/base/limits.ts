/**
 * Every limit and default timeout of LOTC, with its reason. A limit that is not named here does
 * not exist; a test holds each one that a peer or an operator can reach.
 */

import { instantLimits } from './limits-instants.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  /** Default port: unassigned at IANA, outside Linux's ephemeral range. */
  port: 7416,

  // --- time ---
  /** A century, in ms: with an instant below it stays within 2^53 µs. More is a slip of the pen. */
  durationMsMax: 36_500 * 86_400_000,
  /** The end of the year 2149, in µs since 1970. */
  instantUsMax: Date.UTC(2150, 0) * 1000,
  /** A program starts within some hundred µs of its instant: less is not worth moving it. */
  movedUs: 50,

  // --- frames and bodies (PROTOCOL, "Limits") ---
  headerBytes: 20,
  /** Before a peer's HELLO is accepted it may cost this much memory and no more. */
  bodyBytesBeforeHello: 16 * KiB,
  bodyBytes: 1 * MiB,
  /** With header and keys the frame then fits one TLS record (16,384). */
  chunkBytes: 16_320,
  cborDepth: 16,
  cborItems: 10_000,
  cborTextBytes: 256 * KiB,

  // --- sessions ---
  requestsInFlight: 256,
  /** What a session answers by itself (pings, repeats, refusals): honest peers need a handful. */
  ownAnswersPerSecond: 1_000,
  /** One a heartbeat is what an honest node says. */
  samplesPerSecond: 1_000,
  sendQueueBytes: 1 * MiB,
  /**
   * Credit a receiver grants for one transfer: bounds what lies in sockets before a kill, 4 ms
   * of a gigabit; less costs throughput where the round trip is what limits (bench/link.ts).
   */
  creditBytes: 512 * KiB,
  handshakeMs: 10_000,
  /** Parts of long answers that wait for a peer to read on. */
  bulkQueueBytes: 64 * MiB,
  /** A request without any sign is repeated after this long, and given up in the end. */
  answerRepeatMs: 15_000,
  answerGiveUpMs: 60_000,
  pingEveryMs: 5_000,
  pingMissed: 3,
  heartbeatMinMs: 100,
  heartbeatMaxMs: 3_600_000,
  connectMs: 10_000,
  reconnectMinMs: 200,
  reconnectMaxMs: 30_000,
  refusedRetryMs: 60_000,
  /** Answers of finished requests kept to recognise a repeat of the same id. */
  answersKept: 1_024,

  // --- strangers on the port ---
  unauthenticatedSockets: 256,
  unauthenticatedPerAddress: 16,
  newPerSecondPerAddress: 32,
  newBurstPerAddress: 64,
  badKeysPerMinute: 5,
  /** Open at once with one key, a token's too: a script may run many consoles beside each other. */
  sessionsPerIdentity: 1_024,
  /** Budgets kept for addresses without a socket; a flood of /64s must not cost memory. */
  addressesRemembered: 4_096,
  /** A stranger never gets the last descriptors: the journal and the logs need them. */
  descriptorsReserved: 32,
  /** RFC 8305 section 8: the next address is tried this long after the last one. */
  nextAddressMs: 250,

  // --- journal and store ---
  journalRecordBytes: 512 * KiB,
  journalBatchBytes: 900 * KiB,
  journalBatchRecords: 1_024,
  snapshotEveryRecords: 100_000,
  snapshotEveryBytes: 64 * MiB,
  serverReserveBytes: 64 * MiB,
  agentReserveBytes: 8 * MiB,
  lowDiskBytes: 256 * MiB,
  /** How long a command id is remembered, so that a retry gets the first reply. */
  commandIdsKeptMs: 24 * 3_600_000,
  commandIdsKept: 1_000_000,
  assignmentItemsPerMessage: 256,
  reportsPerMessage: 256,

  // --- identities ---
  /** Of consoles, revoked ones included. */
  identities: 10_000,
  /** A person's identity lapses so long after `login`, unless its token says otherwise. */
  identityTtlMs: 90 * 86_400_000,
  identityTtlMsMax: 400 * 86_400_000,
  /** A node renews its key this often, a tenth more or less. */
  rotateKeyMs: 30 * 86_400_000,
  /** A node that was away longer has lapsed. */
  nodeAwayMsMax: 400 * 86_400_000,

  // --- things a fleet holds ---
  nameBytes: 63,
  tasks: 100_000,
  /** Tasks that one starts after. */
  predecessors: 256,
  /** The ledger of firings, unless `--keep-fires` says otherwise. */
  keepFiresMs: 90 * 86_400_000,
  keepFiresBytes: 1 * GiB,
  /** A firing in the ledger with its indexes: 408 bytes measured with short names. */
  fireRowBytes: 512,
  /** The audit, unless `--keep-audit` says otherwise. */
  keepAuditMs: 400 * 86_400_000,
  /** A schedule that has fired for the last time is shown so long; nodes that were away heal. */
  scheduleSpentKeptMs: 24 * 3_600_000,
  /** The same where a node fires what it missed when it is back. */
  scheduleMissedKeptMs: 30 * 86_400_000,
  labelsPerNode: 64,
  targetsPerVerb: 10_000,
  /** On record of one node: it starts what its schedules say, and says what it likes. */
  runsPerNode: 20_000,
  /** Result files kept of one node, whatever its tasks keep: the oldest go. */
  resultsPerNode: 10_000,
  bundleBytes: 2 * GiB,
  archiveEntries: 100_000,
  archiveDepth: 64,
  archiveNameBytes: 255,
  archivePathBytes: 1_024,
  /** A pax header or a GNU long name is held in memory whole. */
  archiveHeaderBytes: 256 * KiB,
  /** Links a kernel follows on the way to one file (MAXSYMLINKS of Linux). */
  archiveLinkHops: 40,
  /** 128 MiB is the most memory a zstd frame may ask for. */
  zstdWindowLog: 27,
  /** A run gets its own copy of files up to this size; larger ones are links to the one copy. */
  ownFileBytes: 1 * MiB,
  /** Bundles beyond either are linked into a run name by name at their root, never copied. */
  ownTreeBytes: 64 * MiB,
  ownTreeEntries: 2_000,
  uploadsAtOnce: 8,
  /** MAX_ARG_STRLEN of Linux (execve(2)): one string of argv or the environment, NUL included. */
  argumentBytes: 131_072,
  /** Of one secret, and of one file of variables. */
  secretBytes: 64 * KiB,
  /** Arguments and environment together, as the shim holds them; execve(2) itself takes 6 MiB. */
  launchBytes: 4 * MiB,

  // --- work ---
  stopGraceMs: 10_000,
  /** Of a run that may move to another node, unless its task says otherwise. */
  leaseMs: 15_000,
  /** Less would be a hiccup of the network, or of a busy node. */
  leaseMinMs: 1_000,
  /** What has lost its node stays away for so long. */
  leaseMaxMs: 3_600_000,
  backoffMinMs: 1_000,
  backoffMaxMs: 300_000,
  /** `--on-server-lost stop:DUR`: less would be a hiccup of the network, or of a busy server. */
  serverLostMinMs: 1_000,
  /** At most this share of a backoff is left out at random: a fleet does not rise in step. */
  backoffJitter: 0.2,
  /** A process that ran this long, and twice its last backoff, begins a new row of restarts. */
  healthyMs: 10_000,
  /** Of a failed run's last output, in its reason. */
  stderrTailBytes: 400,
  /** Shorter than that a watchdog would measure the scheduler, not the program. */
  watchdogMinMs: 100,
  /** Watchdogs, timeouts and what is between health checks: more is a slip of the pen. */
  livenessMaxMs: 366 * 86_400_000,
  /** A run that is late again and again is warned of once in such a time. */
  warnEveryMs: 60_000,
  healthEveryMs: 10_000,
  healthTimeoutMs: 5_000,
  healthFailures: 3,
  healthFailuresMax: 1_000,
  /** What a program may ask for by EXTEND_TIMEOUT_USEC at one time. */
  extendMaxMs: 86_400_000,
  /** STATUS of a run: so many at once, then one in such a time; each is a row in the journal. */
  statusBurst: 5,
  statusEveryMs: 10_000,
  statusCharacters: 400,
  /** Of a tree that hangs: what is told of in an event. */
  snapshotProcesses: 20,
  /** suspend and resume orders for a node that is away end after this long. */
  orderExpiresMs: 600_000,
  keepRuns: 100,
  keepForMs: 30 * 86_400_000,
  /** Of one task's result files on the server, unless its task says otherwise. */
  keepBytes: 10 * GiB,
  /** Result files of one run; what does not fit is named. */
  resultBytes: 1 * GiB,
  resultGlobs: 32,
  /** Files that were left out are named in a report, up to so many. */
  resultSkippedTold: 100,
  /** A collection or delivery that failed (full disk, busy server) is tried again after this. */
  resultRetryMs: 30_000,
  /** What an agent does right after its start is over: what it needed for that alone may go. */
  startedMs: 15_000,
  /** While the server is busy a delivery waits its turn so long, at least and at most. */
  resultBusyMinMs: 50,
  resultBusyMaxMs: 2_000,
  /** An agent that is told to end, and has no processes to stop, ends within this. */
  stopMs: 10_000,
  statsEveryMs: 5_000,
  /** A pass over many processes is followed by so many times what it took: 2.5 % of a core. */
  statsRestRatio: 40,
  /** But a busy machine, on which a pass takes long, is looked at as well. */
  statsRestMaxMs: 30_000,
  /** With less than this free, what programs write to their logs is about to be refused. */
  diskFullBytes: 1 * MiB,
  /** Of each run: five minutes as they were read, then one for each half minute of an hour. */
  historyFineReadings: 60,
  historyCoarseReadings: 121,
  historyCoarseMs: 30_000,
  /** Of one run's stdout and stderr together that stay on disk, unless its task says otherwise. */
  logMaxBytes: 64 * MiB,
  /** Less is less than one write of a loud program, and holes are made in whole blocks. */
  logMaxMinBytes: 64 * KiB,
  /** What a run may be limited to: below, no program starts; above, it is a slip of the pen. */
  memoryMaxMinBytes: 1 * MiB,
  memoryMaxMaxBytes: 1024 * 1024 * GiB,
  /** A quota of 1 ms in each 100 ms is the least that the kernel takes. */
  cpuMaxMin: 0.01,
  cpuMaxMax: 4_096,
  /** Of a node, and what a task may ask for of them. */
  slotsMax: 1_000_000,
  priorityMax: 65_535,
  /** So many that wait for room behind the first are looked at, each time something changes. */
  roomLookBehind: 64,
  /** PID_MAX_LIMIT of Linux. */
  pidsMaxMax: 4_194_304,
  nofileMaxMin: 8,
  /** fs.nr_open, unless somebody raised it: more is refused by setrlimit(2). */
  nofileMaxMax: 1_048_576,
  logReadBytes: 1 * MiB,
  logLineBytes: 16 * KiB,
  /** A tree not seen frozen, thawed or gone by then is reported, never waited for longer. */
  freezeMs: 5_000,
  killTreeMs: 5_000,
  /** A group is busy for a moment after its last process; then it is left to the next start. */
  groupRemoveMs: 1_000,
  /** Beyond this, a PSS reading costs more than it tells: RSS is given, and said so. */
  pssRssBytes: 256 * MiB,
  /** Two records of a log's index are at least this far apart; more when many logs grow at once. */
  logIndexMs: 10,
  logIndexBytes: 1 * MiB,
  /** A line without its end is shown to a follower after this long. */
  logPartialMs: 200,
  /** sun_path of unix(7), without its NUL. */
  socketPathBytes: 107,

  ...instantLimits,

  // --- console ---
  waitTimeoutMs: 60_000,
  /** setTimeout overflows at 2^31 ms and drifts over suspend: no timer is armed for longer. */
  timerMs: 30_000,
} as const;
