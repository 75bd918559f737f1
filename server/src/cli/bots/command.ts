import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import { examples } from '../operate.ts';
import { wholeNumber, withServiceOptions } from '../options.ts';
import { printResult } from '../output.ts';
import { allWell, type BotsOptions, checkBotsOptions, runBots } from './run.ts';
import type { BotsResult } from './types.ts';

/** Adds `baton bots` to the program. */
export function registerBots(program: Command): void {
  const command = program
    .command('bots')
    .description('play on the stock SDK while the rooms move, and check that no player could notice');
  withServiceOptions(command)
    .option('--room <name>', 'room to join', 'arena')
    .option('--clients <n>', 'players', wholeNumber, 20)
    .option('--duration <seconds>', 'how long they play', Number, 10)
    .option('--moves <n>', 'how often each room of theirs moves', wholeNumber, 10)
    .option('--rate <hz>', 'messages each player sends a second', Number, 20)
    .option('--churn', 'more players join, leave and lose their connection meanwhile', false)
    .option('--seed <n>', 'repeats the choices of an earlier run', Number)
    .option('--app <file>', 'start an own service with this app')
    .option('--hosts <n>', 'hosts of the own service', wholeNumber, 2)
    .addHelpText('after', examples('baton bots --clients 100 --moves 20', 'baton bots --churn --json'))
    .action(bots);
}

async function bots(given: Omit<BotsOptions, 'seed'> & { seed?: number; json?: boolean }): Promise<void> {
  const options: BotsOptions = { ...given, seed: given.seed ?? randomInt(2 ** 32) };
  checkBotsOptions(options);
  process.stderr.write(`seed ${options.seed}\n`);
  const wipe = process.stderr.isTTY ? '\r\u001b[K' : '';
  const result = await runBots(options, {
    progress: (text) => void (wipe && process.stderr.write(wipe + text)),
    fault: (text) => void process.stderr.write(`${wipe}baton: ${text}\n`),
  });
  process.stderr.write(wipe);
  printResult(given.json, result, () => table(result));
  if (!allWell(result)) process.exitCode = 1;
}

function table({ blackoutMs, gapMs, churn, ...counts }: BotsResult): string {
  const spread = ({ p50, p99, max }: BotsResult['gapMs']) => `p50 ${p50}, p99 ${p99}, max ${max}`;
  const rows: [string, string][] = Object.entries(counts).map(([name, count]) => [name, String(count)]);
  rows.push(['blackout (ms)', spread(blackoutMs)], ['longest silence (ms)', spread(gapMs)]);
  if (churn)
    rows.push([
      'churn',
      Object.entries(churn)
        .map(([name, count]) => `${count} ${name}`)
        .join(', '),
    ]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
