/**
 * Help for a level of the command line: everything below `lotc admin task`, say, with a line and
 * an example each. Help for one command with nothing below it is clipanion's own, with options
 * and examples; where a command has others below it (`lotc server`), both are shown.
 */

import type { Cli, Definition } from 'clipanion';

const helpFlags = new Set(['-h', '--help']);
const exampleColumn = 2;

/** The words before `--help`, or undefined where no help of a level is asked for. */
export function helpPath(words: readonly string[]): readonly string[] | undefined {
  const at = words.findIndex((word) => helpFlags.has(word));
  const end = words.indexOf('--');
  if (at === -1 || (end !== -1 && end < at)) return undefined;
  return words.slice(0, at);
}

function isBelow(definition: Definition, level: string): boolean {
  return definition.path.startsWith(`${level} `);
}

function examplesOf(definitions: readonly Definition[]): readonly string[] {
  return definitions.flatMap(({ examples }) => {
    const first = examples?.[0];
    return first === undefined ? [] : [`${' '.repeat(exampleColumn)}${first[1]}`];
  });
}

/** Clipanion numbers the values of options; a person reads a word, and its column straight. */
export function named(text: string): string {
  const widened = text.replaceAll(
    /^( +)(-\S+(?:,-\S+)*)(?= {2,}\S)/gmu,
    (_, indent: string, option: string) => `${indent}${option}${' '.repeat(NAMED_WIDER)}`,
  );
  return widened.replaceAll(/(?<= )#\d+/gu, 'VALUE');
}

const NAMED_WIDER = 'VALUE'.length - '#0'.length;

const shortForms: ReadonlySet<string> = new Set(['lotc', 'lotc admin']);
const SHORT_FORMS = `Short forms: load, unload (bundle push, rm); ps, nodes (process ls, node ls);
  start, suspend, resume, stop, kill, restart, apply, diff (task …)`;

/** Help for the level `path`; undefined where nothing is below it, so it is no level. */
export function groupHelp(cli: Cli, path: readonly string[]): string | undefined {
  const level = ['lotc', ...path].join(' ');
  const definitions = cli.definitions();
  const below = definitions
    .filter((definition) => isBelow(definition, level))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const itself = definitions.find((definition) => definition.path === level);
  if (below.length === 0) return undefined;
  const width = Math.max(...below.map((definition) => definition.path.length)) + 2;
  const describe = ({ path: name, description }: Definition): string =>
    `  ${name.padEnd(width)}${(description ?? '').trim().split('\n')[0] ?? ''}`;
  const examples = examplesOf(itself === undefined ? below : [itself, ...below]);
  return [
    itself === undefined ? `Usage: ${level} <command>` : `Usage: ${itself.usage}`,
    ...(itself?.description === undefined ? [] : ['', itself.description.trim()]),
    ...(itself === undefined ? [] : ['', ...optionsOf(itself)]),
    '',
    'Commands:',
    ...below.map(describe),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples]),
    ...(shortForms.has(level) ? ['', SHORT_FORMS] : []),
    '',
    `More on one of them: ${level} <command> --help`,
    '',
  ].join('\n');
}

function optionsOf(definition: Definition): readonly string[] {
  if (definition.options.length === 0) return [];
  const width =
    Math.max(...definition.options.map((option) => named(option.definition).length)) + 2;
  return [
    'Options:',
    ...definition.options.map(
      (option) => `  ${named(option.definition).padEnd(width)}${option.description ?? ''}`,
    ),
  ];
}
