/** The view (views.ts) of result files. Pure. */
import type { Shape } from '../../net/layout.ts';
import { orNull, second, size, text, time, type View } from './cells.ts';

export const keptView: View<Shape<'kept'>> = {
  name: (row) => row.run,
  json: (row) => ({
    run: row.run,
    task: orNull(row.task),
    node: orNull(row.node),
    exitedAt: time(row.at),
    files: row.files ?? 0,
    sizeBytes: row.sizeBytes ?? 0,
    digest: orNull(row.digest),
    skipped: row.skipped ?? [],
    reason: orNull(row.reason),
    delivered: row.last !== false && row.reason === undefined,
  }),
  columns: [
    { title: 'TASK', text: (row) => text(row.task) },
    { title: 'NODE', text: (row) => text(row.node) },
    { title: 'RUN', text: (row) => row.run },
    { title: 'FILES', right: true, text: (row) => text(row.files) },
    { title: 'SIZE', right: true, text: (row) => size(row.sizeBytes) },
    { title: 'LEFT OUT', right: true, text: (row) => text(row.skipped?.length ?? 0) },
    { title: 'ENDED', text: (row) => second(row.at) },
    { title: 'DIGEST', wide: true, text: (row) => text(row.digest) },
    { title: 'REASON', text: (row) => text(row.reason) },
  ],
};
