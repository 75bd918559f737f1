import { createProgram } from './program.ts';
import { runToEnd } from './run.ts';

await runToEnd(await createProgram(), process.argv.slice(2));
