/** The core's tables in the table store: values as JSON. */
import { step } from '../../base/step.io.ts';
import type { TableStore, TableWrite } from '../../store/tables.ts';
import { type TableName, type Tables, tableNames, type Write } from './events.ts';

const decoder = new TextDecoder();

export async function loadTables(store: TableStore): Promise<Tables> {
  const tables: Partial<Record<TableName, Map<string, unknown>>> = {};
  for (const name of tableNames) {
    const rows = await store.load(name);
    const entries = rows.map(([key, value]): [string, unknown] => [
      key,
      JSON.parse(decoder.decode(value)),
    ]);
    tables[name] = new Map(entries);
  }
  step('boot: tables loaded');
  return tables as Tables;
}

export function toTableWrites(writes: readonly Write[]): TableWrite[] {
  return writes.map(({ table, key, value }) => {
    const bytes = value === undefined ? undefined : Buffer.from(JSON.stringify(value));
    return { table, key, value: bytes };
  });
}
