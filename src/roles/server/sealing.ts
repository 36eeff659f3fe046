/**
 * What the server looks at in content that passes: secrets (secrets.ts) are sealed on their way in
 * and opened on their way to a node, and bundles are signed where that is asked for.
 */
import { LotcError } from '../../base/errors.ts';
import type { AnyBody, Shape } from '../../net/layout.ts';
import { signatureFault } from '../../net/signature.ts';
import { Refusal } from './model/change.ts';
import type { State } from './model/state.ts';
import { opened, sealed, secretKeys, type Vault } from './secrets.ts';

/** A request whose spec may be written down. */
export function withSealed(state: State, body: AnyBody, vault: Vault | undefined): AnyBody {
  const { spec, task } = body;
  if (!spec || secretKeys.every((key) => spec[key] === undefined)) return body;
  if (task === undefined || !vault) {
    throw new LotcError('unsupported', 'secrets belong to a task; this is none', {
      hint: 'define a task with --secret or --env-file',
    });
  }
  return { ...body, spec: sealed(spec, state.tasks.get(task)?.spec, vault) };
}

/** An item as its node gets it. */
export function withOpened(item: Shape<'item'>, vault: Vault): Shape<'item'> {
  return item.spec ? { ...item, spec: opened(item.spec, vault) } : item;
}

/** Throws where the server is to take signed bundles only and this is none. */
export function checkSigned(signers: ReadonlySet<string> | undefined, body: AnyBody): void {
  const fault = signatureFault(signers, body);
  if (fault === undefined) return;
  const text = `bundle "${body.bundle ?? ''}" is refused: ${fault}`;
  throw new Refusal('not-signed', text, 'lotc admin bundle push --sign KEY, with a key it trusts');
}
