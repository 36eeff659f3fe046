/** Sections of a document that are rendered from tables of the code, between their markers. */

export type Row = readonly (string | number)[];

export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export const code = (text: string): string => `\`${text}\``;

/** The text with each section rendered anew; every section has its markers, once. */
export function renderSections(
  document: string,
  text: string,
  sections: Readonly<Record<string, () => string>>,
): string {
  let out = text;
  for (const [name, render] of Object.entries(sections)) {
    const begin = `<!-- generated: ${name} -->`;
    const end = `<!-- end: ${name} -->`;
    const parts = out.split(begin);
    const [head = '', rest = ''] = parts;
    const at = rest.indexOf(end);
    if (parts.length !== 2 || at < 0) throw new Error(`${document}: no section ${name}`);
    out = `${head}${begin}\n${render()}\n${rest.slice(at)}`;
  }
  return out;
}
