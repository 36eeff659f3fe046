/**
 * The command line of the server role: what `lotc server` and the words below it do.
 */

import type { CommandClass } from 'clipanion';

export const commands: readonly CommandClass[] = [];
