import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Arrival, generatePopulation, SimulationError, simulate } from '@baton/functions/simulate';
import { type Command, InvalidArgumentError } from 'commander';
import { invalidOption, simulationFailed } from '../../errors.ts';
import { examples } from '../operate.ts';
import { secondsOf, wholeNumber } from '../options.ts';
import { formatTable, printResult } from '../output.ts';
import { csvOf } from './csv.ts';
import { type Candidate, loadMatchmaker } from './load.ts';
import { pageOf } from './page.ts';
import { type PopulationFile, readPopulation } from './population-file.ts';
import { figures, partyTable, type Result, sizeTable } from './result.ts';
import { readTrace } from './trace.ts';

const MAX_PLAYERS = 1_000_000;
const ticketsTold = 100;

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
    .description('try a matchmaker on thousands of players in virtual time')
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
        'baton simulate matchmaker.ts --trace evening.csv --csv searches.csv',
      )}

<matchmaker>: a TypeScript or JavaScript file whose default export is a matchmaker; file.ts#name for another export.`,
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
  const results: Result[] = [];
  for (const named of files) {
    const candidate = await loadMatchmaker(named);
    results.push(simulated(candidate, arrivals, { ...settings, seed, tail: options.tail * 1000 }));
  }
  const facts = factsOf(options, seed, arrivals, results);
  if (options.csv !== undefined) write('--csv', options.csv, csvOf(results));
  if (options.html !== undefined) write('--html', options.html, pageOf(results, facts));
  const json = { seed, results: results.map(({ name, report }) => ({ matchmaker: name, ...report })) };
  printResult(options.json, json, () => text(results, facts));
}

type Settings = PopulationFile['options'] & { seed: number; tail: number };

function simulated({ name, matchmaker }: Candidate, arrivals: Arrival[], settings: Settings): Result {
  const out = process.stderr;
  const started = performance.now();
  const progress = (done: number) => {
    if (out.isTTY) out.write(`\r\u001b[K${name}: ${Math.floor(done * 100)} %`);
  };
  try {
    const simulation = simulate(matchmaker, arrivals, { ...settings, progress });
    const took = (performance.now() - started) / 1000;
    if (out.isTTY) out.write(`\r\u001b[K${name}: ${took.toFixed(1)} s of computing\n`);
    return { name, ...simulation };
  } catch (error) {
    if (out.isTTY) out.write('\r\u001b[K');
    if (error instanceof SimulationError) {
      const { message: reason, at, tickets } = error;
      throw simulationFailed({ matchmaker: name, reason, at, tickets: tickets.slice(0, ticketsTold) }, error);
    }
    if (error instanceof RangeError)
      throw simulationFailed({ matchmaker: name, reason: error.message }, error);
    throw error;
  }
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
    ...(repeated === 0 ? [] : [`${repeated} tickets were left out: their players searched already`]),
  ];
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
