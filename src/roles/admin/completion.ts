/**
 * Completion scripts out of the commands themselves. Pure: what can follow what (words of each
 * level, options of each command) is written into the script; names of tasks, nodes and so on
 * are asked from the server while completing, by `lotc admin … ls -o name`.
 */
export interface Completed {
  /** For instance `admin task start`. */
  readonly path: string;
  readonly options: readonly string[];
  /** Which names its arguments are, as the subcommand that lists them. */
  readonly names: string | undefined;
}

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What stands after an option: words, or a subcommand that lists names (`$ …`). */
const values: Readonly<Record<string, string>> = {
  '-o': 'table wide json name',
  '--output': 'table wide json name',
  '--on': '$ node ls',
  '--bundle': '$ bundle ls',
  '--task': '$ task ls',
  '--missed': 'skip once all',
  '--overlap': 'forbid queue replace allow',
  '--state': 'pending armed running suspended stopping exited failed lost',
  '--for': 'running ready suspended exited gone',
  '--role': 'agent',
};

/** Lines `level<TAB>words`: the words that may follow each level. */
function levels(commands: readonly Completed[]): ReadonlyMap<string, readonly string[]> {
  const following = new Map<string, Set<string>>();
  for (const { path } of commands) {
    const words = path.split(' ');
    for (const [at, word] of words.entries()) {
      const level = words.slice(0, at).join(' ');
      following.set(level, (following.get(level) ?? new Set()).add(word));
    }
  }
  return new Map([...following].map(([level, words]) => [level, [...words].sort()]));
}

export function completionScript(shell: Shell, commands: readonly Completed[]): string {
  const following = levels(commands);
  if (shell === 'fish') return fish(commands, following);
  const entry = (key: string, words: string): string => `  [${quoted(key)}]=${quoted(words)}`;
  const tables = [
    ['_lotc_words', [...following].map(([level, words]) => entry(level || '-', words.join(' ')))],
    ['_lotc_options', commands.map(({ options, path }) => entry(path, options.join(' ')))],
    [
      '_lotc_names',
      commands.flatMap(({ names, path }) => (names === undefined ? [] : [entry(path, names)])),
    ],
    ['_lotc_values', Object.entries(values).map(([option, words]) => entry(option, words))],
  ] as const;
  const declare = shell === 'bash' ? 'declare -gA' : 'typeset -gA';
  const text = tables
    .map(([name, lines]) => `${declare} ${name}=(\n${lines.join('\n')}\n)\n`)
    .join('');
  return shell === 'bash' ? `${text}${BASH}` : `#compdef lotc\n${text}${ZSH}`;
}

const quoted = (text: string): string => `'${text}'`;

/** Shared by bash and zsh: from the words before the cursor to what may come. */
const CANDIDATES = `_lotc_candidates() {
  local current=$1 previous=$2 level='-' word next
  shift 2
  for word in "$@"; do
    [ "$word" = -- ] && return
    if [ "$level" = - ]; then next=$word; else next="$level $word"; fi
    case " \${_lotc_words[$level]} " in *" $word "*) level=$next ;; esac
  done
  local found="\${_lotc_values[$previous]}"
  case $found in
    '$ '*) lotc admin \${=found#??} -o name 2>/dev/null; return ;;
    ?*) echo \${=found}; return ;;
  esac
  case $current in
    -*) echo \${=_lotc_options[$level]} ; return ;;
  esac
  echo \${=_lotc_words[$level]}
  found="\${_lotc_names[$level]}"
  [ -z "$found" ] || lotc admin \${=found} -o name 2>/dev/null
}
`;

const BASH = `${CANDIDATES.replaceAll(/\$\{=/g, '${')}
_lotc() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} found
  found=$(_lotc_candidates "$current" "$previous" "\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=($(compgen -W "$found" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}
complete -F _lotc lotc
`;

const ZSH = `${CANDIDATES}
_lotc() {
  local -a found
  found=(\${=$(_lotc_candidates "$words[CURRENT]" "$words[CURRENT-1]" "\${(@)words[2,CURRENT-1]}")})
  if (( $#found )); then compadd -a found; else _files; fi
}
if [ "$funcstack[1]" = _lotc ]; then _lotc "$@"; else compdef _lotc lotc; fi
`;

function fish(
  commands: readonly Completed[],
  following: ReadonlyMap<string, readonly string[]>,
): string {
  const cases = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map(([key, body]) => `    case '${key}'\n      ${body}`).join('\n');
  const names = (list: string): string => `lotc admin ${list} -o name 2>/dev/null`;
  const say = (words: readonly string[]): string => `string split ' ' -- '${words.join(' ')}'`;
  const ofValues = Object.entries(values).map(([option, words]) => {
    return [
      option,
      words.startsWith('$ ') ? names(words.slice(2)) : say(words.split(' ')),
    ] as const;
  });
  const ofNames = commands.flatMap((one) =>
    one.names === undefined ? [] : [[one.path, names(one.names)] as const],
  );
  return `function __lotc_words
  switch "$argv"
${cases([...following].map(([level, words]) => [level, say(words)]))}
  end
end
function __lotc_options
  switch "$argv"
${cases(commands.map(({ options, path }) => [path, say(options)]))}
  end
end
function __lotc_names
  switch "$argv"
${cases(ofNames)}
  end
end
function __lotc_values
  switch "$argv"
${cases(ofValues)}
  end
end
function __lotc_complete
  set -l level
  for word in (commandline -opc)[2..]
    test "$word" = --; and return
    contains -- "$word" (__lotc_words $level); and set -a level $word
  end
  set -l value (__lotc_values (commandline -opc)[-1])
  if test (count $value) -gt 0
    printf '%s\\n' $value
  else if string match -q -- '-*' (commandline -ct)
    __lotc_options $level
  else
    __lotc_words $level
    __lotc_names $level
  end
end
complete -c lotc -f -a '(__lotc_complete)'
complete -c lotc -n 'test (count (__lotc_complete)) -eq 0' -F
`;
}
