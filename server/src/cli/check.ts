import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { findApp, tsconfigOf } from '../supervisor/index.ts';
import { examples } from './operate.ts';
import { printResult } from './output.ts';

export function registerCheck(program: Command): void {
  program
    .command('check [app]')
    .description('tell which rooms of an app could not move, and what to do about it')
    .option('--json', 'print one JSON object as the last line of standard output')
    .addHelpText('after', examples('baton check', 'baton check src/app.config.ts --json'))
    .action(check);
}

async function check(given: string | undefined, options: { json?: boolean }): Promise<void> {
  const app = findApp(given);
  if (process.env['TSX_TSCONFIG_PATH'] === undefined) {
    process.exitCode = await again(app);
    return;
  }
  const { checkApp } = await import('../host/check.ts');
  const { rooms } = await checkApp(app);
  const ok = rooms.every(({ problems }) => problems.length === 0);
  printResult(options.json, { app, ok, rooms }, () => {
    if (rooms.length === 0) return `${app} defines no rooms.`;
    return rooms.flatMap(({ name, problems }) => describe(name, problems)).join('\n');
  });
  // The app may hold timers and sockets open; its check is over.
  process.exitCode = ok ? 0 : 1;
}

/**
 * Runs this command once more as a process that compiles the app as a host does: the compiler's options are read
 * when a process starts.
 */
async function again(app: string): Promise<number> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-check-'));
  try {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...process.env, TSX_TSCONFIG_PATH: tsconfigOf(app, dir) },
    });
    const [code] = await once(child, 'exit');
    return code ?? 1;
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

function describe(name: string, problems: { path: string; what: string; hint: string }[]): string[] {
  if (problems.length === 0) return [`${name}: can move`];
  return [`${name}: cannot move`, ...problems.map(({ path, what, hint }) => `  ${path}: ${what}. ${hint}`)];
}
