/**
 * A stream of rows that are journaled: first what was, a page at a time, where that is asked for;
 * then what comes, each row once and in order.
 */
export interface Stream<Row> {
  /** Calls back with what comes; returns how to stop. */
  readonly listen: (watcher: (rows: readonly Row[]) => void) => () => void;
  readonly onDrop: (stop: () => void) => void;
  readonly tell: (rows: readonly Row[]) => void;
  readonly numberOf: (row: Row) => number;
  /** Rows up to this number were told before. */
  readonly told?: number | undefined;
  /** The page behind `cursor` and where the next one begins, if there is one; absent: nothing was. */
  readonly page?:
    | ((
        cursor: number | undefined,
        then: (rows: readonly Row[], next: number | undefined) => void,
      ) => void)
    | undefined;
  /** Where the first page begins. */
  readonly cursor?: number | undefined;
}

export function thenLive<Row>(stream: Stream<Row>): void {
  const { numberOf, page } = stream;
  let { told = 0 } = stream;
  /** What comes while pages are read. */
  let waiting: Row[] | undefined = [];
  const tell = (rows: readonly Row[]): void => {
    if (rows.length > 0) stream.tell(rows);
  };
  stream.onDrop(
    stream.listen((rows) => {
      if (waiting) waiting.push(...rows);
      else tell(rows);
    }),
  );
  const goLive = (): void => {
    const missed = (waiting ?? []).filter((row) => numberOf(row) > told);
    waiting = undefined;
    tell(missed);
  };
  const read = (cursor: number | undefined): void => {
    page?.(cursor, (rows, next) => {
      const last = rows.at(-1);
      if (last !== undefined) told = Math.max(told, numberOf(last));
      tell(rows);
      if (next === undefined) goLive();
      else read(next);
    });
  };
  if (page) read(stream.cursor);
  else goLive();
}
