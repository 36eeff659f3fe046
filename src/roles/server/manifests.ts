/**
 * Manifests at the door: what needs a calendar is judged before there is a command, a dry run is
 * answered without one.
 */
import type { Req } from '../../net/layout.ts';
import { type Asker, type Controller, failureOf } from './controller.ts';
import { Change } from './model/change.ts';
import { documentsOf } from './model/manifest-parts.ts';
import { tryManifests } from './model/manifests.ts';
import { answerInPages } from './pages.ts';
import type { Replier, ServerPorts } from './ports.ts';
import { checkAsked } from './scheduling.ts';

export interface ManifestParts {
  readonly controller: Controller;
  readonly ports: ServerPorts;
}

/** Throws what the asker is answered. */
export function applyAsked(
  { controller, ports }: ManifestParts,
  { key, dryRun, ...request }: Req<'depApply'>,
  asker: Asker,
  replier: Replier,
): void {
  const { atUs: at } = ports.now();
  for (const { timing } of documentsOf(request)) if (timing) checkAsked(timing, at);
  if (dryRun === true) {
    const command = { kind: 'depApply', body: request, key, at, ...asker } as const;
    const change = new Change(controller.state, command);
    change.within = controller.state.identities.get(asker.by ?? '')?.scope;
    const reply = tryManifests(change, request);
    answerInPages(replier, { ...reply.body, seq: controller.state.seq });
    return;
  }
  controller.submit(
    'depApply',
    request,
    asker,
    (reply, seq) => {
      if (!reply.ok) replier.fail(failureOf(reply));
      else answerInPages(replier, { ...reply.body, seq });
    },
    key,
  );
}
