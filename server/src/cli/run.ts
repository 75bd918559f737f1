import { type Command, CommanderError } from 'commander';
import { usage } from '../errors.ts';
import { tolerateBrokenPipes } from '../telemetry/index.ts';
import { type ExitCode, exitCodeOf, printError } from './output.ts';

/** Runs one command line and gives its exit code; errors are printed. */
export async function run(program: Command, args: string[]): Promise<ExitCode | number> {
  const json = args.includes('--json');
  try {
    await program.parseAsync(roomIdsLast(program, args), { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    printError(json, error);
    return exitCodeOf(error);
  }
}

/** An id that Colyseus made. One in 64 begins with a dash. */
const DASHED_ROOM_ID = /^-[\w-]{8}$/;

/** Puts ids that look like options behind `--`, where they are none. */
function roomIdsLast(program: Command, args: string[]): string[] {
  const [name, ...rest] = args;
  const command = program.commands.find((each) => each.name() === name);
  if (!command || command.registeredArguments.length === 0 || args.includes('--')) return args;
  const option = (arg: string | undefined) =>
    command.options.find((each) => arg !== undefined && (each.short === arg || each.long === arg));
  const isId = (arg: string, at: number) =>
    DASHED_ROOM_ID.test(arg) && !option(arg) && !option(rest[at - 1])?.required;
  const ids = rest.filter(isId);
  return ids.length === 0 ? args : [name!, ...rest.filter((arg, at) => !isId(arg, at)), '--', ...ids];
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
