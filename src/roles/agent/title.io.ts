/** Overwrites what `ps` shows of the command line: a token in it is nobody's business. */
export function hideCommandLine(): void {
  process.title = 'lotc agent';
}
