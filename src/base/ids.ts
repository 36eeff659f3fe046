/**
 * Ids of runs: `R` and 11 characters of Crockford's base 32 in upper case, so that none can be
 * mistaken for a name (names.ts). Those of operations begin with `O`, those of schedules that got
 * no name with `S`.
 */
const RUN = /^R[0-9A-HJKMNP-TV-Z]{11}$/;

export const isRunId = (text: string): boolean => RUN.test(text);

const SCHEDULE = /^S[0-9A-HJKMNP-TV-Z]{11}$/;

export const isScheduleId = (text: string): boolean => SCHEDULE.test(text);
