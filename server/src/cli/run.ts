import { type Command, CommanderError } from 'commander';
import { usage } from '../errors.ts';
import { tolerateBrokenPipes } from '../telemetry/index.ts';
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

/** The whole life of a process that runs one command line. */
export async function runToEnd(program: Command, args: string[]): Promise<never> {
  // `baton start | head -1` goes on when nobody reads any more, as its hosts do.
  tolerateBrokenPipes();
  const code = await run(program, args);
  // A pipe takes a part only until its reader comes for the rest; process.exit() would drop that.
  await Promise.all(
    [process.stdout, process.stderr].map((out) => new Promise((done) => out.write('', done))),
  );
  // Pooled connections and an app that was checked would keep the process.
  process.exit(code);
}

function usageError(error: CommanderError): Error {
  const text = error.code === 'commander.help' ? 'no command given' : error.message.replace(/^error: /, '');
  return usage({ reason: text.split('\n')[0]!.replace(/\.$/, '') });
}
