/** `events --audit -f`: the audit as it is journaled; first what was, where that is asked for. */
import { decodeShape } from '../../net/codec.ts';
import type { Req, Shape } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { historyPage } from './history-page.ts';
import type { Replier, ServerPorts } from './ports.ts';
import { thenLive } from './then-live.ts';

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
    thenLive<Entry>({
      listen: (watcher) => {
        const one = (entry: Entry): void => watcher([entry]);
        this.#watchers.add(one);
        return () => this.#watchers.delete(one);
      },
      onDrop: (stop) => replier.onDrop(stop),
      tell: (entries) => {
        for (let at = 0; at < entries.length; at += PAGE)
          replier.more({ audits: entries.slice(at, at + PAGE) });
      },
      numberOf: ({ number }) => number,
      page:
        since === undefined
          ? undefined
          : (afterSeq, then) => {
              const query = { kind: 'audit', afterSeq, sinceUs: since, limit: PAGE } as const;
              historyPage(this.#ports, query, (rows, behind) =>
                then(
                  rows.map((row) => decodeShape('audit', row.body)),
                  behind,
                ),
              );
            },
    });
  }
}
