/** `schema`: the JSON Schema of manifests. It asks no server. */
import { Command } from 'clipanion';
import { AdminCommand } from '../command.ts';
import { jsonSchema } from '../manifest/schema.ts';
import { jsonText } from '../render.ts';

export class Schema extends AdminCommand {
  static override paths = [['admin', 'schema']];
  static override usage = Command.Usage({
    category: 'Manifests',
    description: 'Print the JSON Schema of manifests',
    details: 'Editors that know it complete and check what `apply` reads.',
    examples: [['For an editor', '$0 admin schema > lotc.schema.json']],
  });

  protected override perform(): Promise<number> {
    this.write(`${jsonText(jsonSchema(), 2)}\n`);
    return Promise.resolve(0);
  }
}
