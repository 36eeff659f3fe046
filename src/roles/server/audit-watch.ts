/** `events --audit -f`: the audit as it is journaled; first what was, where that is asked for. */
import { decodeShape } from '../../net/codec.ts';
import type { Req, Shape } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { historyPage } from './history-page.ts';
import type { Replier, ServerPorts } from './ports.ts';

const PAGE = 200;

type Entry = Shape<'audit'>;

export class AuditWatch {
  readonly #ports: ServerPorts;
  readonly #watchers = new Set<(entry: Entry) => void>();

  constructor(controller: Controller, ports: ServerPorts) {
    this.#ports = ports;
    controller.onChange(({ audit }) => {
      if (audit) for (const watcher of this.#watchers) watcher(audit);
    });
  }

  /** Each entry once, in the order of the chain. */
  watch({ since }: Req<'retWatch'>, replier: Replier): void {
    let waiting: Entry[] | undefined = [];
    let told = 0;
    const watcher = (entry: Entry): void => {
      if (waiting) waiting.push(entry);
      else replier.more({ audits: [entry] });
    };
    this.#watchers.add(watcher);
    replier.onDrop(() => this.#watchers.delete(watcher));
    const goLive = (): void => {
      const missed = (waiting ?? []).filter(({ number }) => number > told);
      waiting = undefined;
      for (const entry of missed) replier.more({ audits: [entry] });
    };
    if (since === undefined) return goLive();
    const page = (afterSeq: number | undefined): void => {
      const query = { kind: 'audit', afterSeq, sinceUs: since, limit: PAGE } as const;
      historyPage(this.#ports, query, (rows, behind) => {
        const audits = rows.map((row) => decodeShape('audit', row.body));
        told = Math.max(told, audits.at(-1)?.number ?? 0);
        if (audits.length > 0) replier.more({ audits });
        if (behind === undefined) goLive();
        else page(behind);
      });
    };
    return page(undefined);
  }
}
