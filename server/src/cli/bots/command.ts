import { randomInt } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { invalidOption } from '../../errors.ts';
import { handleSignals } from '../../supervisor/index.ts';
import { examples } from '../operate.ts';
import { secondsOf, wholeNumber, withServiceOptions } from '../options.ts';
import { printResult } from '../output.ts';
import { pageOf } from './page.ts';
import { allWell, type BotsOptions, checkBotsOptions, runBots } from './run.ts';
import { scenarioNames, scenarios } from './scenarios.ts';
import type { BotsResult, Spread } from './types.ts';
import { BotsView } from './view.ts';

/** Adds `baton bots` to the program. */
export function registerBots(program: Command): void {
  const command = program
    .command('bots')
    .description('play while rooms and sockets move, and check that no player could notice');
  withServiceOptions(command)
    .addOption(new Option('--scenario <name>', 'what they do').choices(scenarioNames).default('room'))
    .option('--room <name>', 'room to join', 'arena')
    .option('--mapping <name>', 'of sockets: a mapping that links two at a time (default: one for this run)')
    .option('--clients <n>', 'players', wholeNumber, 20)
    .option('--ramp <seconds>', 'time over which they come', secondsOf, 0)
    .option('--duration <seconds>', 'how long they play', secondsOf, 10)
    .option(
      '--moves <n>',
      'how often each room moves; of sockets: how many pairs move in all',
      wholeNumber,
      10,
    )
    .option('--rate <hz>', "messages each player sends a second (default: the scenario's)", Number)
    .option('--churn', 'of rooms: more players join, leave and lose their connection meanwhile', false)
    .option('--seed <n>', 'repeats the choices of an earlier run', Number)
    .option('--app <file>', 'start an own service with this app')
    .option('--hosts <n>', 'hosts of the own service', wholeNumber, 2)
    .option('--html <file>', 'write a report with charts, as one file')
    .addHelpText(
      'after',
      examples(
        'baton bots --clients 100 --moves 20',
        'baton bots --scenario pairs --clients 2000 --ramp 20s --duration 60s --moves 50 --html report.html',
        'baton bots --churn --json',
      ),
    )
    .action(bots);
}

type Given = Omit<BotsOptions, 'seed'> & { seed?: number; json?: boolean; html?: string };

async function bots(given: Given): Promise<void> {
  const options: BotsOptions = { ...given, seed: given.seed ?? randomInt(2 ** 32) };
  checkBotsOptions(options);
  // a run is not to be for nothing
  if (given.html !== undefined) write(given.html, (file) => appendFileSync(file, ''));
  process.stderr.write(`seed ${options.seed}\n`);
  const view = new BotsView(`${options.scenario}, ${options.clients} clients`);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  const release = handleSignals({ stop: interrupt, kill: () => process.exit(130), reload: interrupt });
  const played = await runBots(options, view, interrupted.signal)
    .catch((error) => {
      if (!interrupted.signal.aborted) throw error;
      return undefined;
    })
    .finally(() => view.close());
  release();
  if (played === undefined) {
    process.exitCode = 130;
    return;
  }
  const { result } = played;
  const rows = rowsOf(result);
  if (given.html !== undefined)
    write(given.html, (file) => writeFileSync(file, pageOf(played, rows, factsOf(options))));
  printResult(given.json, result, () => {
    const width = Math.max(...rows.map(([name]) => name.length));
    return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
  });
  if (!allWell(result)) process.exitCode = 1;
}

function rowsOf({ roundTripMs, blackoutMs, gapMs, churn, ...counts }: BotsResult): [string, string][] {
  const spread = ({ p50, p99, max }: Spread) => `p50 ${p50}, p99 ${p99}, max ${max}`;
  return [
    ...Object.entries(counts).map(([name, count]): [string, string] => [name, String(count)]),
    ['round trip (ms)', spread(roundTripMs)],
    ['blackout (ms)', spread(blackoutMs)],
    ['longest silence (ms)', spread(gapMs)],
    ...(churn === undefined ? [] : [['churn', churnText(churn)] satisfies [string, string]]),
  ];
}

function churnText(churn: NonNullable<BotsResult['churn']>): string {
  return Object.entries(churn)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

function factsOf({ scenario, clients, ramp, duration, rate, seed }: BotsOptions): string[] {
  return [
    `scenario ${scenario}`,
    `${clients} clients`,
    ...(ramp > 0 ? [`come in ${ramp} s`] : []),
    `play for ${duration} s`,
    `${rate ?? scenarios[scenario].rate} messages a second and client`,
    `seed ${seed}`,
  ];
}

function write(file: string, how: (file: string) => void): void {
  try {
    how(file);
  } catch (error) {
    throw invalidOption({ option: '--html', reason: (error as Error).message }, error);
  }
}
