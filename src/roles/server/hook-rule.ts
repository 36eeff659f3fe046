/**
 * `--hook KINDS=PROGRAM|URL`: which events go where. Kinds are names of the table of events, globs
 * over them, or short words for what people wait for. Hooks with the same target are one.
 */
import { type LotcError, usage } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { nearest } from '../../base/nearest.ts';
import { globMatches } from '../../base/selector.ts';
import { isFailure } from '../../net/event.ts';
import { eventKinds, isEventKind } from '../../net/event-kinds.ts';
import type { Shape } from '../../net/layout.ts';

type Event = Shape<'event'>;

export interface HookRule {
  readonly kinds: readonly string[];
  /** A path, or a URL of http or https. */
  readonly target: string;
  readonly isUrl: boolean;
}

const shorts: Readonly<Record<string, (event: Event) => boolean>> = {
  failed: isFailure,
  hung: ({ eventKind }) => eventKind === 'process-hung',
  lost: ({ eventKind }) => eventKind === 'process-lost' || eventKind === 'firing-lost',
  away: ({ eventKind }) => eventKind === 'node-unresponsive',
  late: ({ eventKind }) => eventKind === 'firing-late',
};

const known = Object.keys(eventKinds);

export function parseHooks(texts: readonly string[]): readonly HookRule[] {
  const byTarget = new Map<string, HookRule>();
  for (const text of texts) {
    const rule = parseHook(text);
    const kinds = new Set([...(byTarget.get(rule.target)?.kinds ?? []), ...rule.kinds]);
    byTarget.set(rule.target, { ...rule, kinds: [...kinds] });
  }
  if (byTarget.size > limits.hooks) {
    throw wrong(`${byTarget.size} hooks; a server has at most ${limits.hooks}`);
  }
  return [...byTarget.values()];
}

function parseHook(text: string): HookRule {
  const bound = text.indexOf('=');
  const target = text.slice(bound + 1);
  const kinds = text.slice(0, Math.max(0, bound)).split(',');
  if (bound < 1 || target === '') {
    throw wrong(
      `"${text}" is not KINDS=PROGRAM or KINDS=URL`,
      'as in: failed,hung=/usr/local/bin/tell',
    );
  }
  for (const kind of kinds) checkKind(kind);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target)) return { kinds, target, isUrl: checkUrl(target) };
  if (target.startsWith('/')) return { kinds, target, isUrl: false };
  throw wrong(`"${target}" is neither a URL nor a path that begins with /`);
}

function checkKind(kind: string): void {
  if (kind in shorts || isEventKind(kind)) return;
  if (/[*?]/.test(kind)) {
    if (known.some((name) => globMatches(kind, name))) return;
    throw wrong(`no kind of event is like "${kind}"`, `there are: ${known.join(', ')}`);
  }
  const near = nearest(kind, [...Object.keys(shorts), ...known]);
  const hint = near === undefined ? 'OPERATIONS.md lists them' : `did you mean "${near}"?`;
  throw wrong(`there is no kind of event "${kind}"`, hint);
}

function checkUrl(text: string): true {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw wrong(`"${text}" is no URL of http or https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong(
      `the URL of a hook at ${url.host} has a user in it`,
      'put what it has to know into its path or query',
    );
  }
  return true;
}

const wrong = (text: string, hint?: string): LotcError => usage(`--hook: ${text}`, hint);

/** What hooks tell of themselves goes only to those that name it: no hook is told of itself. */
export function hookTakes({ kinds }: HookRule, event: Event): boolean {
  const { eventKind } = event;
  if (eventKind.startsWith('hook-')) {
    return kinds.some((kind) => kind.startsWith('hook-') && globMatches(kind, eventKind));
  }
  return kinds.some((kind) =>
    kind in shorts ? shorts[kind]?.(event) : kind === eventKind || globMatches(kind, eventKind),
  );
}

/** For logs and events: what follows the host of a URL may be a secret. */
export function nameOfHook({ target, isUrl }: HookRule): string {
  if (!isUrl) return target;
  const { origin, pathname, search } = new URL(target);
  return pathname + search === '/' ? `${origin}/` : `${origin}/…`;
}
