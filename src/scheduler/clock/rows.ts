/** Time servers as they are named, and as they are shown: plain data, which passes threads. */

export interface TimeServer {
  /** As the operator wrote it. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Asked by NTS, and in no other way: host and port are those of who gives keys. */
  readonly nts?: boolean;
}

/** One source of time at an instant. Offsets are true time minus the system clock. */
export interface SourceRow {
  readonly host: string;
  readonly address?: string | undefined;
  readonly offsetUs?: number | undefined;
  readonly delayUs?: number | undefined;
  /** Where the offset lies by what this source proves. */
  readonly lowUs?: number | undefined;
  readonly highUs?: number | undefined;
  readonly truechimer: boolean;
  /** The last eight requests, the newest in the lowest bit: 1 where it was answered. */
  readonly reach: number;
  readonly stratum?: number | undefined;
  readonly pollMs?: number | undefined;
  /** What is wrong with it. */
  readonly reason?: string | undefined;
}
