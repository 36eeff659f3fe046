/**
 * The limits of what happens at an instant or because of an event: the rest of limits.ts, in a file
 * of its own for its length only.
 */
export const instantLimits = {
  // --- schedules ---
  schedules: 200_000,
  /** Below this a node would do little else than start processes. */
  scheduleEveryUs: 100_000,
  /** The last of so many instants of a cron rule is found in half a second. */
  cronCount: 10_000,
  /** Firings are claimed in one commit so far ahead, refilled when less than half is left. */
  claimAheadUs: 60_000_000,
  claimAheadMinUs: 5_000_000,
  claimsPerCommit: 1_024,
  /** A long stretch of missed instants is told one by one at its ends, as one between. */
  missedKept: 1_000,
  /** Beyond this an instant is missed, not late: the node was suspended, its disk was full. */
  missedAfterUs: 10_000_000,
  /** Firings that wait for the end of one task's run. */
  firesQueued: 100,
  /** A deed that leaves no trace of its own is marked as prepared this long before its instant. */
  prepareAheadUs: 3_000_000,
  /** Shims are told of it so long before; what begins later the agent does itself. */
  planAheadUs: 1_000_000,
  /** A start is armed so long before its instant at least; where many are near, up to the other. */
  armAheadUs: 2_000_000,
  armAheadMaxUs: 20_000_000,
  /** More at a time would only make the agent's other work wait. */
  armingAtOnce: 8,
  /** Each is two sleeping processes, some 200 KiB. */
  armedAtOnce: 2_000,
  /** `--max-clock-error` is judged for the last time so long before the instant. */
  lastLookUs: 50_000,

  /** A firing this late is an event. */
  firingLateUs: 1_000_000,

  // --- hooks ---
  /** Each is told of one event at a time. */
  hooks: 32,
  /** A program or an answer takes longer only if it hangs. */
  hookMs: 30_000,
  /** What failed is tried again after 1 s, twice that, and so on. */
  hookRetryMinMs: 1_000,
  hookRetryMaxMs: 60_000,
  /** An event that could not be told of for so long is given up, unless `--hook-retry` says more. */
  hookGiveUpMs: 3_600_000,
  /** Events that wait in memory; what is behind them is read again when it is their turn. */
  hookQueue: 1_000,
  /** Where a hook stands is written down this often while it has nothing to do. */
  hookMarkMs: 60_000,
} as const;
