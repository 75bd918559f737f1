import { createRequire } from 'node:module';
import { Command } from 'commander';
import type { HostProgram } from '../supervisor/index.ts';
import { registerCheck } from './check.ts';
import { registerFunctions } from './functions/index.ts';
import { registerInit } from './init.ts';
import { registerKeys } from './key.ts';
import { registerLog } from './log.ts';
import { registerMappings } from './mapping.ts';
import { registerOperations } from './operate.ts';
import { registerSimulate } from './simulate/index.ts';
import { registerStart } from './start.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/**
 * The whole command line of Baton.
 * @param hostProgram what `start` runs as hosts; default: Baton's own
 */
export async function createProgram(hostProgram?: HostProgram): Promise<Command> {
  const program = new Command('baton')
    .description('Multiplayer backend on Colyseus whose live rooms move between processes.')
    .version(version, '-V, --version', 'print the version')
    .showHelpAfterError(false)
    .addHelpText(
      'after',
      `
Exit codes: 0 done; 1 the operation failed; 2 wrong usage, or no service answers.
Environment: BATON_URL, BATON_CONTROL_TOKEN, BATON_KEY, BATON_LOG (trace … fatal), BATON_LOG_FORMAT (json, pretty).`,
    );
  // Usage errors are printed like all others, in one place.
  program.exitOverride().configureOutput({ outputError: () => {} });
  registerInit(program);
  registerStart(program, hostProgram);
  registerOperations(program);
  registerMappings(program);
  registerKeys(program);
  registerLog(program);
  registerCheck(program);
  registerFunctions(program);
  registerSimulate(program);
  const { registerBots } = await import('./bots/index.ts');
  registerBots(program);
  return program;
}
