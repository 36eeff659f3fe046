/** Round trips and clocks as people and scripts see them (CLI contract, "ping" and "sync"). */
import type { Shape } from '../../net/layout.ts';
import { ms, orNull, text, type View } from './cells.ts';

type PingRow = Pick<Shape<'node'>, 'node' | 'rttUs' | 'outUs' | 'backUs' | 'wayErrorUs'>;

export const pingView: View<PingRow> = {
  name: (row) => row.node,
  json: (row) => ({
    node: row.node,
    rttUs: orNull(row.rttUs),
    outUs: orNull(row.outUs),
    backUs: orNull(row.backUs),
    wayErrorUs: orNull(row.wayErrorUs),
  }),
  columns: [
    { title: 'NODE', text: (row) => row.node },
    { title: 'ROUND TRIP', right: true, text: (row) => ms(row.rttUs) },
    { title: 'OUT', right: true, text: (row) => ms(row.outUs) },
    { title: 'BACK', right: true, text: (row) => ms(row.backUs) },
    { title: '±', right: true, text: (row) => ms(row.wayErrorUs) },
  ],
};

type ServerRow = Shape<'timeServer'> & { readonly node?: string };

const serverJson = (row: ServerRow): Record<string, unknown> => ({
  host: row.host,
  address: orNull(row.address),
  offsetUs: orNull(row.offsetUs),
  delayUs: orNull(row.delayUs),
  interval:
    row.lowUs === undefined || row.highUs === undefined
      ? null
      : { lowUs: row.lowUs, highUs: row.highUs },
  truechimer: row.truechimer,
  reach: row.reach,
  stratum: orNull(row.stratum),
  pollMs: orNull(row.pollMs),
  error: orNull(row.reason),
});

export const syncView: View<Shape<'node'>> = {
  name: (row) => row.node,
  json: ({ node, clock }) => ({
    node,
    synchronized: clock?.synchronized ?? false,
    offsetUs: orNull(clock?.offsetUs),
    errorUs: orNull(clock?.clockErrorUs),
    source: orNull(clock?.source),
    stratum: orNull(clock?.stratum),
    relative: clock?.relative ?? false,
    reason: orNull(clock?.reason),
    servers: (clock?.servers ?? []).map(serverJson),
  }),
  columns: [
    { title: 'NODE', text: (row) => row.node },
    { title: 'OFFSET', right: true, text: ({ clock }) => ms(clock?.offsetUs) },
    { title: 'ERROR', right: true, text: ({ clock }) => ms(clock?.clockErrorUs) },
    { title: 'SOURCE', text: ({ clock }) => text(clock?.source) },
    { title: 'STRATUM', right: true, text: ({ clock }) => text(clock?.stratum) },
    {
      title: 'REMARK',
      text: ({ clock }) => clock?.reason ?? (clock?.relative === true ? 'relative' : ''),
    },
  ],
};

export const timeServerView: View<ServerRow> = {
  name: (row) => row.host,
  json: serverJson,
  columns: [
    { title: 'NODE', text: (row) => text(row.node) },
    { title: 'TIME SERVER', text: (row) => row.host },
    { title: 'BELIEVED', text: (row) => (row.truechimer ? 'yes' : 'no') },
    { title: 'OFFSET', right: true, text: (row) => ms(row.offsetUs) },
    { title: 'DELAY', right: true, text: (row) => ms(row.delayUs) },
    { title: 'FROM', right: true, text: (row) => ms(row.lowUs) },
    { title: 'TO', right: true, text: (row) => ms(row.highUs) },
    { title: 'REACH', right: true, text: (row) => row.reach.toString(8) },
    { title: 'STRATUM', right: true, text: (row) => text(row.stratum) },
    { title: 'ADDRESS', wide: true, text: (row) => text(row.address) },
    { title: 'REMARK', text: (row) => text(row.reason) },
  ],
};
