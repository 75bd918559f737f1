import { readFileSync, statSync } from 'node:fs';
import type { Arrival, Searcher } from '@baton/functions/simulate';
import { type CsvError, parse } from 'csv-parse/sync';
import { invalidOption, traceInvalid } from '../../errors.ts';

/** What openskill takes for a player it knows nothing of. */
const USUAL_SIGMA = 25 / 3;
/** Bytes of one file. */
const MAX_TRACE_BYTES = 256 * 1024 * 1024;
const COLUMNS = ['time', 'player', 'rating', 'sigma', 'latency', 'party', 'roles', 'patience'] as const;
const NEEDED = ['time', 'player'];

type Row = Partial<Record<(typeof COLUMNS)[number], string>>;

/** As csv-parse gives it with `info`. */
interface CsvRecord {
  record: string[];
  info: { lines: number };
}

interface Line {
  line: number;
  at: number;
  party: string;
  patience: number;
  player: Searcher;
}

/**
 * Who came when, from a CSV file whose first line names its columns.
 * @throws BATON_TRACE_INVALID with the line and what is wrong there
 */
export function readTrace(file: string): Arrival[] {
  const invalid = (line: number, reason: string) => traceInvalid({ file, line, reason });
  const [head, ...records] = recordsOf(file, invalid);
  if (head === undefined) throw invalid(1, 'the file is empty');
  const columns = head.cells as (keyof Row)[];
  const unknown = columns.find((name, n) => !COLUMNS.includes(name) || columns.indexOf(name) !== n);
  if (unknown !== undefined)
    throw invalid(head.line, `column "${unknown}" is not one of ${COLUMNS.join(', ')}, or is there twice`);
  const missing = NEEDED.find((name) => !columns.includes(name as keyof Row));
  if (missing !== undefined) throw invalid(head.line, `column "${missing}" is missing`);
  const lines = records.map(({ cells, line }) => {
    if (cells.length !== columns.length)
      throw invalid(line, `it has ${cells.length} cells, but there are ${columns.length} columns`);
    try {
      return lineOf(Object.fromEntries(columns.map((name, n) => [name, cells[n]])), line);
    } catch (error) {
      throw invalid(line, (error as Error).message);
    }
  });
  const first = lines.reduce((least, { at }) => Math.min(least, at), Infinity);
  const tickets = Map.groupBy(lines, ({ party, at, line }) => (party === '' ? line : `${at} ${party}`));
  const arrivals = [...tickets.values()].map((members) => {
    const ids = members.map(({ player }) => player.id);
    const again = members.find(({ player }, n) => ids.indexOf(player.id) !== n);
    if (again !== undefined)
      throw invalid(again.line, `player "${again.player.id}" is in this party already`);
    const patience = Math.min(...members.map((member) => member.patience));
    return { at: members[0]!.at - first, patience, players: members.map(({ player }) => player) };
  });
  return arrivals.sort((a, b) => a.at - b.at);
}

function recordsOf(file: string, invalid: (line: number, reason: string) => Error) {
  let text: Buffer;
  try {
    const { size } = statSync(file);
    if (size > MAX_TRACE_BYTES) throw new Error(`it is longer than ${MAX_TRACE_BYTES} bytes`);
    text = readFileSync(file);
  } catch (error) {
    throw invalidOption({ option: file, reason: (error as Error).message }, error);
  }
  try {
    const options = {
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    } as const;
    // with `info`; its types know of the rows alone
    const records: unknown = parse(text, options);
    return (records as CsvRecord[]).map(({ record, info }) => ({ cells: record, line: info.lines }));
  } catch (error) {
    const { lines = 1, message } = error as CsvError & { lines?: number };
    throw invalid(lines, message);
  }
}

/** @throws Error that says what is wrong */
function lineOf(row: Row, line: number): Line {
  const { player = '', party = '', rating = '', sigma = '', latency = '', roles = '', patience = '' } = row;
  if (player === '') throw new Error('player is empty');
  if (rating === '' && sigma !== '') throw new Error('sigma is given without a rating');
  const liked = roles.split(/\s+/).filter((role) => role !== '');
  return {
    line,
    at: timeOf(row.time ?? ''),
    party,
    patience: patience === '' ? Infinity : Math.round(numberOf('patience', patience) * 1000),
    player: {
      id: player,
      ...(rating !== '' && {
        rating: {
          mu: numberOf('rating', rating, -1e6),
          sigma: sigma === '' ? USUAL_SIGMA : numberOf('sigma', sigma),
        },
      }),
      ...(latency !== '' && { latency: latenciesOf(latency) }),
      ...(liked.length > 0 && { roles: liked }),
    },
  };
}

/** Seconds, or a date and time of ISO 8601. @returns milliseconds */
function timeOf(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const at = /^\d{4}-\d\d-\d\d[T ]/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new Error(`time "${text}" is neither seconds nor a date and time such as 2026-05-01T20:00:00Z`);
  return at;
}

function numberOf(column: string, text: string, least = 0): number {
  const value = text === '' ? Number.NaN : Number(text);
  if (!(value >= least && value <= 1e6))
    throw new Error(`${column} "${text}" is not a number from ${least} to 1000000`);
  return value;
}

/** `eu=30 us=110` */
function latenciesOf(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(/\s+/).map((pair) => {
      const [, region, ms] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
      if (region === undefined) throw new Error(`latency "${pair}" is not like eu=30`);
      return [region, numberOf(`latency to ${region}`, ms!)];
    }),
  );
}
