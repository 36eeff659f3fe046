/** A progress bar as text. Pure. */
import { roughSizeBytes } from '../../base/size.ts';

const WIDTH = 30;

export function progressLine(title: string, done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(share * WIDTH);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}`;
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${title} [${bar}] ${percent}% of ${roughSizeBytes(total)}`;
}
