/**
 * The command line of the agent role: what `lotc agent` and the words below it do.
 */

import type { CommandClass } from 'clipanion';

export const commands: readonly CommandClass[] = [];
