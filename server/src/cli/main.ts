import { createProgram } from './program.ts';
import { run } from './run.ts';

process.exitCode = await run(await createProgram(), process.argv.slice(2));
// Pooled connections and an app that was checked would keep the process.
if (process.exitCode !== undefined) process.exit();
