/**
 * `events --audit`, `--export`, `--verify`: the audit as a list, as lines another system keeps,
 * and checked. The check is made here, entry by entry: the server's word is only where the chain
 * begins and ends.
 */
import { formatInstant } from '../../base/clock.ts';
import { errorCodeOf, LotcError } from '../../base/errors.ts';
import { AuditChain, auditFields } from '../../net/audit.ts';
import type { Ok, Shape } from '../../net/layout.ts';
import { named, text, type View } from './cells.ts';
import type { Draft } from './client.ts';
import { type Format, JsonList, jsonText, StreamRenderer } from './render.ts';

type Entry = Shape<'audit'>;
type Query = Draft<'retQuery'>;
export type AskPage = (query: Query) => Promise<Ok<'retQuery'>>;

const answer = ({ errorCode }: Entry): string =>
  errorCode === undefined ? 'ok' : errorCodeOf(errorCode);

const auditView: View<Entry> = {
  name: (row) => text(row.number),
  json: (row) => ({ ...auditFields(row), hash: row.hash }),
  columns: [
    { title: 'NO', right: true, text: (row) => text(row.number) },
    { title: 'AT', text: (row) => formatInstant(row.at) },
    { title: 'WHO', text: (row) => row.who },
    { title: 'FROM', text: (row) => text(row.origin) },
    { title: 'WHAT', text: (row) => row.verb },
    { title: 'TARGETS', text: ({ targets = [] }) => named(targets) },
    { title: 'NODES', wide: true, text: ({ names = [] }) => named(names) },
    { title: 'KEY', wide: true, text: (row) => text(row.by) },
    { title: 'ANSWER', text: (row) => [answer(row), row.text ?? ''].join(' ').trim() },
  ],
};

/** Page by page, oldest first; each with where the chain begins and ends by then. */
async function* pages(ask: AskPage, query: Query): AsyncGenerator<Ok<'retQuery'>> {
  let after: number | undefined;
  do {
    const page = await ask({ ...query, ...(after === undefined ? {} : { after }) });
    yield page;
    ({ after } = page);
  } while (after !== undefined);
}

export interface Telling {
  readonly ask: AskPage;
  readonly write: (text: string) => void;
  readonly query: Query;
  readonly style: Format | 'export';
}

export async function tellAudit({ ask, write, query, style }: Telling): Promise<number> {
  const list = style === 'json' ? new JsonList() : undefined;
  const rows = new StreamRenderer(auditView, style === 'export' ? 'json' : style);
  for await (const { audits = [] } of pages(ask, query)) {
    if (list) write(list.items(audits.map((entry) => auditView.json(entry, 0))));
    else write(rows.rows(audits, 0));
  }
  write(list?.end() ?? '');
  return 0;
}

/** Lines as they come. */
export function followAudit(
  style: Format | 'export',
  write: (text: string) => void,
): (audits: readonly Entry[]) => void {
  const rows = new StreamRenderer(auditView, style === 'export' ? 'json' : style);
  return (audits) => write(rows.rows(audits, 0));
}

export async function verifyAudit(
  ask: AskPage,
  write: (text: string) => void,
  format: Format,
): Promise<number> {
  let chain: AuditChain | undefined;
  let first = 0;
  let count = 0;
  let last: Ok<'retQuery'> = {};
  for await (const page of pages(ask, { query: 'audit' })) {
    const { anchorNumber = 0, anchorHash = '', audits = [] } = page;
    // Where it begins was said before the first entry: pruning meanwhile changes nothing.
    chain ??= new AuditChain({ number: anchorNumber, hash: anchorHash });
    first ||= anchorNumber + 1;
    for (const entry of audits) {
      const fault = chain.next(entry);
      if (fault !== undefined) throw broken(fault);
    }
    count = chain.end.number - first + 1;
    last = page;
  }
  const { number = 0, hash = '' } = last;
  const fault = chain?.ends({ number, hash });
  if (fault !== undefined || !chain) throw broken(fault ?? 'there is none');
  const found = { entries: count, first, last: chain.end.number, hash: chain.end.hash };
  if (format === 'json') write(`${jsonText(found, 2)}\n`);
  else if (count === 0) write('the audit is empty and whole\n');
  else write(`${count} entries, ${first} to ${found.last}: whole; the last is ${found.hash}\n`);
  return 0;
}

const broken = (fault: string): LotcError =>
  new LotcError('damaged', `the audit is not whole: ${fault}`, {
    hint: 'compare it with what was exported: lotc admin events --audit --export',
  });
