/** So many of these by name, and how many more there are: `a, b and 3 more`. */
export function few(names: readonly string[], most: number, comma = ', '): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(comma)}${more > 0 ? ` and ${more} more` : ''}`;
}
