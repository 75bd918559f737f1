import { stripVTControlCharacters } from 'node:util';
import { BatonError, internalError } from '../errors.ts';

/** 0 = done, 1 = the operation failed or its end is not known, 2 = it was not tried: wrong usage, or nothing answers. */
export type ExitCode = 0 | 1 | 2;

const notTried = new Set([
  'BATON_USAGE',
  'BATON_INVALID_OPTION',
  'BATON_APP_NOT_FOUND',
  'BATON_FOLDER_IN_USE',
  'BATON_PORT_IN_USE',
  'BATON_RUNTIME_DIR_UNSAFE',
  'BATON_NO_SERVICE',
  'BATON_SERVICE_TIMEOUT',
  'BATON_UNAUTHORIZED',
  'BATON_MATCHMAKER_INVALID',
  'BATON_TRACE_INVALID',
]);

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof BatonError) || !notTried.has(error.code)) return 1;
  return error.code === 'BATON_SERVICE_TIMEOUT' && error.details['method'] !== 'GET' ? 1 : 2;
}

/** One JSON object as the last line of standard output, or the text for people. */
export function printResult(json: boolean | undefined, result: object, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(result) : text()}\n`);
}

/** `baton: <message> (<code>)`; with `--json` the error as an object on standard output too. */
export function printError(json: boolean, error: unknown): void {
  const known = error instanceof BatonError ? error : internalError({}, error);
  const message =
    error instanceof BatonError ? error.message : error instanceof Error ? error.message : String(error);
  const { code, status, details } = known;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, status, details } })}\n`);
  process.stderr.write(`baton: ${message.split('\n').join(' ')} (${code})\n`);
  if (!(error instanceof BatonError) && process.env['BATON_LOG'] === 'debug' && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
}

/** Columns padded to their widest cell. Numbers (and `-`) are set to the right. */
export function formatTable(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => visibleLength(row[column] ?? ''))));
  const right = head.map((_, column) =>
    rows.every((row) => /^[\d.,]+ ?[%A-Za-z]*$|^-$/.test(row[column] ?? '-')),
  );
  return all.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - visibleLength(cell));
        return right[column] ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes.toFixed(unit === 0 || bytes >= 100 ? 0 : 1)} ${units[unit]}`;
}
