import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Arrival, generatePopulation } from '@baton/functions/simulate';
import { type Command, InvalidArgumentError } from 'commander';
import { invalidOption } from '../../errors.ts';
import { examples } from '../operate.ts';
import { secondsOf, wholeNumber } from '../options.ts';
import { formatTable, printResult } from '../output.ts';
import { csvOf } from './csv.ts';
import { pageOf } from './page.ts';
import { type PopulationFile, readPopulation } from './population-file.ts';
import { figures, partyTable, type Result, sizeTable } from './result.ts';
import type { Task } from './task.ts';
import { simulateIn } from './thread.ts';
import { readTrace } from './trace.ts';

const MAX_PLAYERS = 1_000_000;

interface Options {
  players: number;
  arrivals: number;
  seed?: number;
  population?: string;
  trace?: string;
  compare?: string;
  tail: number;
  csv?: string;
  html?: string;
  json?: boolean;
}

/** Adds `baton simulate` to the program. */
export function registerSimulate(program: Command): void {
  program
    .command('simulate <matchmaker>')
    .description('try a matchmaker, or functions, on thousands of players in virtual time')
    .option('--players <n>', 'how many come', playerCount, 10_000)
    .option('--arrivals <rate>', 'how many come in a second (50/s), minute or hour', ratePerSecond, 50)
    .option('--seed <n>', 'repeats an earlier simulation to the last byte', seedNumber)
    .option('--population <file>', 'YAML or JSON: skills, regions, parties, roles, patience, matches')
    .option('--trace <file>', 'CSV: who came when, instead of generated players')
    .option('--compare <matchmaker>', 'another one, on the same players')
    .option('--tail <seconds>', 'how long it goes on after the last arrival', secondsOf, 0)
    .option('--csv <file>', 'write one line for each player and search')
    .option('--html <file>', 'write a report with charts, as one file')
    .option('--json', 'print one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      `${examples(
        'baton simulate matchmaker.ts --players 10000 --arrivals 50/s --seed 7',
        'baton simulate matchmaker.ts --compare matchmaker.ts#strict --html report.html',
        'baton simulate functions.ts --population players.yaml',
        'baton simulate matchmaker.ts --trace evening.csv --csv searches.csv',
      )}

<matchmaker>: a TypeScript or JavaScript file whose default export is a matchmaker, with match(), or functions, with open()
or fetch() or as made by defineFunctions(); file.ts#name for another export.`,
    )
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const seed = options.seed ?? randomInt(2 ** 32);
  const files = options.compare === undefined ? [file] : [file, options.compare];
  const { population, options: settings }: PopulationFile =
    options.population === undefined
      ? { population: {}, options: {} }
      : await readPopulation(options.population);
  const { players, arrivals: arrivalsPerSecond } = options;
  const arrivals =
    options.trace === undefined
      ? generatePopulation({ ...population, players, arrivalsPerSecond, seed })
      : readTrace(options.trace);
  const results = await simulated(files, {
    arrivals,
    settings: { ...settings, seed, tail: options.tail * 1000 },
  });
  const facts = factsOf(options, seed, arrivals, results);
  if (options.csv !== undefined) write('--csv', options.csv, csvOf(results));
  if (options.html !== undefined) write('--html', options.html, pageOf(results, facts));
  const json = { seed, results: results.map(asJson) };
  printResult(options.json, json, () => text(results, facts));
}

/** One after the other: they share a core, or two. */
async function simulated(files: string[], task: Pick<Task, 'arrivals' | 'settings'>): Promise<Result[]> {
  const out = process.stderr;
  const line = (text: string) => out.isTTY && out.write(`\r\u001b[K${text}`);
  const results: Result[] = [];
  for (const file of files) {
    const started = performance.now();
    try {
      const result = await simulateIn(file, task, (name, done) =>
        line(`${name}: ${Math.floor(done * 100)} %`),
      );
      const took = (performance.now() - started) / 1000;
      line(`${result.name}: ${took.toFixed(1)} s of computing\n`);
      results.push(result);
    } catch (error) {
      line('');
      throw error;
    }
  }
  return results;
}

function factsOf(options: Options, seed: number, arrivals: Arrival[], results: Result[]): string[] {
  const players = arrivals.reduce((sum, arrival) => sum + arrival.players.length, 0);
  const virtual = Math.max(...results.map(({ report }) => report.duration)) / 1000;
  const repeated = results[0]!.report.players.repeated;
  return [
    options.trace === undefined
      ? `${players.toLocaleString('en')} players, ${options.arrivals}/s`
      : `${players.toLocaleString('en')} players of ${options.trace}`,
    ...(options.population === undefined ? [] : [`population of ${options.population}`]),
    `${virtual.toLocaleString('en')} s of virtual time`,
    `seed ${seed}`,
    ...results.flatMap(refusals),
    ...(repeated === 0 ? [] : [`${repeated} tickets were left out: their players searched already`]),
  ];
}

function asJson({ name, refused, report }: Result) {
  return { matchmaker: name, ...report, ...(refused && { refused }) };
}

/** Links that functions wanted and did not get. */
function refusals({ name, refused = {} }: Result): string[] {
  const counts = Object.entries(refused).map(([code, count]) => `${code} ${count}`);
  return counts.length === 0 ? [] : [`links of ${name} that were not made: ${counts.join(', ')}`];
}

function text(results: Result[], facts: string[]): string {
  const tables = [figures(results), partyTable(results), sizeTable(results)].map(({ head, rows }) =>
    formatTable(
      [...head],
      rows.map((row) => row.map(String)),
    ).join('\n'),
  );
  return [facts.join(', '), ...tables].join('\n\n');
}

function write(option: string, file: string, content: string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw invalidOption({ option, reason: (error as Error).message }, error);
  }
}

function playerCount(given: string): number {
  const count = wholeNumber(given);
  if (count < 1 || count > MAX_PLAYERS)
    throw new InvalidArgumentError(`Expected 1 to ${MAX_PLAYERS} players.`);
  return count;
}

function seedNumber(given: string): number {
  const seed = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
  if (!(seed < 2 ** 32)) throw new InvalidArgumentError('Expected a whole number below 4294967296.');
  return seed;
}

/** `50/s`, `600/m`, `1000/h`. */
function ratePerSecond(given: string): number {
  const [, amount, unit] = /^(\d{1,7}(?:\.\d+)?)\/(s|m|h)$/.exec(given) ?? [];
  const rate = Number(amount) / { s: 1, m: 60, h: 3600 }[unit ?? 's']!;
  if (!(rate > 0)) throw new InvalidArgumentError('Expected a rate such as 50/s, 600/m or 1000/h.');
  return rate;
}
