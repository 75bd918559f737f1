import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { matchmakerInvalid, simulationFailed } from '../../errors.ts';
import type { Result } from './result.ts';
import { type Failure, Pulse, type Said, type Task } from './task.ts';

/** A simulation in which nothing has gone on for so long, in real time, does not end. */
const SILENCE_MS = 15_000;
const LOOK_MS = 1_000;
const TICKETS_TOLD = 100;

/** Functions reach the service by these; there is no other network. */
const ENVIRONMENT = { BATON_URL: 'http://baton.invalid', BATON_KEY: 'simulation' };

/**
 * Simulates in a thread of its own: that has modules, time and chance for itself, and can be ended.
 *
 * @param named a file in TypeScript or JavaScript, `#` and the name of an export when it is not the default one
 * @throws BATON_MATCHMAKER_INVALID, BATON_SIMULATION_FAILED
 */
export async function simulateIn(
  named: string,
  { arrivals, settings }: Pick<Task, 'arrivals' | 'settings'>,
  progress: (name: string, done: number) => void,
): Promise<Result> {
  const [, file = '', exported = 'default'] = /^(.*?)(?:#([\w$]+))?$/s.exec(named)!;
  if (!existsSync(file)) throw matchmakerInvalid({ file, reason: 'there is no such file' });
  const name = path.basename(file) + (exported === 'default' ? '' : `#${exported}`);
  const pulse = new Pulse();
  const task: Task = { file: path.resolve(file), name: exported, arrivals, settings, pulse: pulse.buffer };
  const worker = new Worker(
    fileURLToPath(new URL(`./worker${path.extname(import.meta.url)}`, import.meta.url)),
    {
      workerData: task,
      env: { ...process.env, ...ENVIRONMENT },
      stdout: true,
    },
  );
  // standard output is the report's alone
  worker.stdout.pipe(process.stderr, { end: false });
  try {
    const said = await end(worker, pulse, (done) => progress(name, done));
    if ('result' in said) return { name, ...said.result };
    if ('invalid' in said) throw matchmakerInvalid({ file, reason: said.invalid });
    const { tickets, ...failure } = said.failed;
    const told = tickets === undefined ? {} : { tickets: tickets.slice(0, TICKETS_TOLD) };
    throw simulationFailed({ matchmaker: name, ...failure, ...told });
  } finally {
    await worker.terminate();
  }
}

type End = Exclude<Said, { progress: number }>;

/** What it says last, or how it has ended without a word. */
function end(worker: Worker, pulse: Pulse, progress: (done: number) => void): Promise<End> {
  return new Promise((resolve) => {
    const failed = (failed: Failure) => over({ failed });
    let beat = pulse.beat;
    let since = performance.now();
    const look = setInterval(() => {
      if (pulse.beat !== beat) since = performance.now();
      else if (performance.now() - since > SILENCE_MS) failed(pulse.silent(`${SILENCE_MS / 1000} s`));
      beat = pulse.beat;
    }, LOOK_MS);
    const over = (how: End) => {
      clearInterval(look);
      resolve(how);
    };
    worker.on('message', (said: Said) => ('progress' in said ? progress(said.progress) : over(said)));
    worker.once('error', (error: unknown) =>
      failed({ reason: error instanceof Error ? error.message : String(error) }),
    );
    worker.once('exit', (code) => failed({ reason: `it has ended its process, with code ${code}` }));
  });
}
