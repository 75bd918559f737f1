// What `npm start` runs: the matchmaker, and the service that calls it. Ctrl-C ends both.
import { spawn } from 'node:child_process';
import { matchmaker } from './matchmaker.ts';

const functions = await matchmaker.serve({ port: 0 });
const service = spawn('baton', ['start', '--mappings', 'baton.config.ts', ...process.argv.slice(2)], {
  env: { ...process.env, MATCHMAKER_URL: functions.url },
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => service.kill(signal));
// The terminal was closed; to the service alone this signal would mean a reload.
process.on('SIGHUP', () => service.kill('SIGTERM'));
service.on('exit', async (code) => {
  process.exitCode = code ?? 1;
  await functions.close();
});
