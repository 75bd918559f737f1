import { type Command, CommanderError } from 'commander';
import { usage } from '../errors.ts';
import { type ExitCode, exitCodeOf, printError } from './output.ts';

/** Runs one command line and gives its exit code; errors are printed. */
export async function run(program: Command, args: string[]): Promise<ExitCode | number> {
  const json = args.includes('--json');
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    printError(json, error);
    return exitCodeOf(error);
  }
}

function usageError(error: CommanderError): Error {
  const text = error.code === 'commander.help' ? 'no command given' : error.message.replace(/^error: /, '');
  return usage({ reason: text.split('\n')[0]!.replace(/\.$/, '') });
}
