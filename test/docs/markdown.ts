// The project's Markdown pages, taken apart as far as the tests of this folder need.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage', 'artifacts']);

/** Files below a folder of the repository with this suffix, as paths relative to the repository. */
export function filesOf(folder: string, suffix: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return LEFT_OUT.has(entry.name) || /^\.|\.tmp$/.test(entry.name) ? [] : filesOf(path, suffix);
    return entry.name.endsWith(suffix) ? [relative('.', path)] : [];
  });
}

/** Every page of the repository. */
export const pages = (): string[] => filesOf('.', '.md').sort();

export interface Block {
  page: string;
  /** Line of the opening fence, from 1. */
  line: number;
  /** What stands behind the fence: language and words such as `no-check`. */
  info: string;
  text: string;
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [i, line] of read(page).split('\n').entries()) {
    const fence = /^\s*```(.*)$/.exec(line);
    if (!fence) {
      if (open) open.text += `${line}\n`;
    } else if (open) {
      blocks.push(open);
      open = undefined;
    } else open = { page, line: i + 1, info: fence[1]!.trim(), text: '' };
  }
  return blocks;
}

/** The page without its fenced blocks. */
export function proseOf(page: string): string {
  return read(page).replace(/^\s*```[\s\S]*?^\s*```.*$/gm, '');
}

/** Rows of all tables of a page, or of one section of it, as trimmed cells; heads and rules left out. */
export function rowsOf(page: string, section?: string): string[][] {
  let text = proseOf(page);
  if (section !== undefined) {
    const parts = text.split(/^## /m).filter((part) => part.startsWith(`${section}\n`));
    if (parts.length !== 1) throw new Error(`${page} has ${parts.length} sections called ${section}`);
    text = parts[0]!;
  }
  const lines = text.split('\n');
  return lines
    .filter(
      (line, i) =>
        line.startsWith('|') && !/^\|[-| :]+$/.test(line) && !/^\|[-| :]+$/.test(lines[i + 1] ?? ''),
    )
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    );
}

/** The first piece of code in a cell. */
export const codeIn = (cell: string | undefined): string | undefined => /`([^`]+)`/.exec(cell ?? '')?.[1];

const UNITS: Record<string, number> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
};

/** `10 s` → 10000, `64 KiB` → 65536, `1,024` → 1024. */
export function amount(text: string): number {
  const [, digits, unit] = /^([\d,]+)(?: (\w+))?$/.exec(text) ?? [];
  const factor = unit === undefined ? 1 : UNITS[unit];
  if (digits === undefined || factor === undefined) throw new Error(`not an amount: ${text}`);
  return Number(digits.replaceAll(',', '')) * factor;
}
