// The thread of one simulation. What is tried is loaded here, when time is virtual already, with modules of its own.
import { parentPort, workerData } from 'node:worker_threads';
import { SimulationError, simulate } from '@baton/functions/simulate';
import { FunctionsFailed } from './functions-failed.ts';
import { type Candidate, loadCandidate } from './load.ts';
import { CALL_KINDS, Pulse, type Said, type Task } from './task.ts';
import { VirtualTime } from './virtual-time.ts';

const { file, name, arrivals, settings, pulse: shared } = workerData as Task;
const pulse = new Pulse(shared);
const say = (said: Said) => parentPort!.postMessage(said);

const time = new VirtualTime(settings.seed);
const candidate = await loadCandidate(file, name).catch((error: Error) => end({ invalid: error.message }));
if (candidate) await end(await run(candidate).catch(failureOf));

/** The last word: what was printed comes before it. */
async function end(said: Said): Promise<void> {
  for (const out of [process.stdout, process.stderr])
    await new Promise<unknown>((written) => out.write('', written));
  say(said);
}

async function run(candidate: Candidate): Promise<Said> {
  if ('matchmaker' in candidate) {
    time.end();
    // it looks after loops that do not end itself
    pulse.stop();
    const progress = (done: number) => say({ progress: done });
    return { result: simulate(candidate.matchmaker, arrivals, { ...settings, progress }) };
  }
  const { simulateFunctions } = await import('./functions.ts');
  const functions =
    'functions' in candidate
      ? candidate.functions
      : (await import('./handler.ts')).functionsOf(candidate.handler);
  const result = await simulateFunctions(time, functions, arrivals, {
    ...settings,
    progress(done) {
      pulse.goesOn(done);
      say({ progress: done });
    },
    calling: (kind, socket) =>
      pulse.calls(CALL_KINDS.indexOf(kind), Number(socket.roomId.slice(1)), time.now),
  });
  return { result };
}

function failureOf(error: unknown): Said {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof SimulationError) return { failed: { reason, at: error.at, tickets: error.tickets } };
  if (error instanceof FunctionsFailed) return { failed: { reason, at: error.at, socket: error.socketId } };
  if (error instanceof RangeError) return { failed: { reason } };
  throw error;
}
