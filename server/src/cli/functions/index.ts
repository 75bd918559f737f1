import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { FunctionDetails, FunctionLogs, FunctionView } from '../../functions/index.ts';
import { examples } from '../operate.ts';
import { wholeNumber } from '../options.ts';
import { formatBytes, formatTable, printResult } from '../output.ts';
import { withProgress } from '../progress.ts';
import { ServiceClient } from '../service-client.ts';
import { bundleFunction } from './bundle.ts';
import { registerDev } from './dev/index.ts';
import { type FunctionOptions, withFunctionOptions } from './options.ts';
import { registerSecrets } from './secrets.ts';

/** The service tries a bundle before it takes it. */
const deployMs = 60_000;
/** One question for lines that are yet to come. */
const followMs = 20_000;
const FOLLOW_PAUSE_MS = 1_000;

/** `baton function dev | deploy | list | show | rollback | delete | logs | secret`. */
export function registerFunctions(program: Command): void {
  const group = program
    .command('function')
    .alias('functions')
    .description(
      'functions: run them here while you write them, or let the service host them as function:NAME',
    )
    .addHelpText(
      'after',
      `${examples(
        'baton function dev src/duel.ts',
        'baton function deploy src/duel.ts',
        'baton function logs duel --follow',
        'baton function rollback duel',
      )}

Every command has --help, and --json for a result that programs read.`,
    );
  registerDev(group);
  withFunctionOptions(
    group.command('deploy <file>').description('bundle a TypeScript or JavaScript file and run it'),
  )
    .option('--name <name>', "name of the function; default: the file's")
    .option('--env <KEY=secret>', 'puts a secret into its environment; can be repeated', environment, {})
    .option('--allow-net <origin>', 'lets it connect there; can be repeated', collect, [])
    .addHelpText(
      'after',
      examples(
        'baton function deploy src/matchmaker.ts',
        'baton function deploy src/ranked.ts --env API_KEY=stats-key --allow-net https://stats.example.com',
      ),
    )
    .action(deploy);
  withFunctionOptions(group.command('list').description('list the functions')).action(list);
  withFunctionOptions(group.command('show <name>').description('show a function and its versions')).action(
    show,
  );
  withFunctionOptions(group.command('rollback <name>').description('deploy an earlier version again'))
    .option('--to <version>', 'the version; default: the one before', wholeNumber)
    .action(rollback);
  withFunctionOptions(
    group.command('delete <name>').description('delete a function with all its versions'),
  ).action(remove);
  withFunctionOptions(group.command('logs <name>').description('show what a function wrote'))
    .option('--follow', 'go on with what it writes from now on')
    .option('--lines <n>', 'at most so many lines of before', wholeNumber, 100)
    .action(logs);
  registerSecrets(group);
}

const pathOf = (name: string, more = '') => `/v1/functions/${encodeURIComponent(name)}${more}`;

async function deploy(
  file: string,
  options: FunctionOptions & { name?: string; env: Record<string, string>; allowNet: string[] },
): Promise<void> {
  const name = options.name ?? path.basename(file).replace(/\.[^.]*$/, '');
  const service = await ServiceClient.find(options);
  const code = await bundleFunction(file, name);
  const query = new URLSearchParams();
  for (const [key, secret] of Object.entries(options.env)) query.append('env', `${key}=${secret}`);
  for (const origin of options.allowNet) query.append('allowNet', origin);
  const asking = service.ask<FunctionView>({
    method: 'PUT',
    path: pathOf(name, query.size > 0 ? `?${query}` : ''),
    tenant: options.tenant,
    timeoutMs: deployMs,
    body: { text: code, type: 'application/javascript' },
  });
  const view = await withProgress(`deploying ${name}`, asking);
  printResult(
    options.json,
    view,
    () => `function:${view.name} runs: version ${view.version}, ${formatBytes(view.bytes)}`,
  );
}

async function list(options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const { functions } = await service.ask<{ functions: FunctionView[] }>({
    method: 'GET',
    path: '/v1/functions',
    tenant: options.tenant,
  });
  printResult(options.json, { functions }, () =>
    functions.length === 0
      ? 'no functions'
      : table(
          ['NAME'],
          functions.map((view) => [view.name, ...cells(view), view.state]),
          ['STATE'],
        ),
  );
}

async function show(name: string, options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const details = await service.ask<FunctionDetails>({
    method: 'GET',
    path: pathOf(name),
    tenant: options.tenant,
  });
  printResult(options.json, details, () =>
    [
      `function:${details.name} is ${details.state}${details.pid === undefined ? '' : `, process ${details.pid}`}`,
      `secrets: ${
        Object.entries(details.env)
          .map((pair) => pair.join('='))
          .join(', ') || 'none'
      }`,
      `may connect to: ${details.allowNet.join(', ') || 'nothing'}`,
      '',
      table([], details.versions.map(cells)),
    ].join('\n'),
  );
}

async function rollback(name: string, options: FunctionOptions & { to?: number }): Promise<void> {
  const service = await ServiceClient.find(options);
  const view = await service.ask<FunctionView>({
    method: 'POST',
    path: pathOf(name, '/rollback'),
    tenant: options.tenant,
    timeoutMs: deployMs,
    body: options.to === undefined ? {} : { version: options.to },
  });
  printResult(
    options.json,
    view,
    () => `function:${name} runs: version ${view.version}, ${view.sha256.slice(0, 12)}`,
  );
}

async function remove(name: string, options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  await service.ask({ method: 'DELETE', path: pathOf(name), tenant: options.tenant });
  printResult(options.json, { name }, () => `function:${name} is deleted`);
}

async function logs(
  name: string,
  options: FunctionOptions & { follow?: true; lines: number },
): Promise<void> {
  const service = await ServiceClient.find(options);
  const ask = (after: number, limit: number, waitMs: number) =>
    service.ask<FunctionLogs>({
      method: 'GET',
      path: pathOf(name, `/logs?after=${after}&limit=${limit}&waitMs=${waitMs}`),
      tenant: options.tenant,
      timeoutMs: waitMs + deployMs,
    });
  let { lines } = await ask(0, Math.max(1, Math.min(options.lines, 1_000)), 0);
  if (!options.follow) return printResult(options.json, { lines }, () => lines.map(lineText).join('\n'));
  for (let after = 0; ; ) {
    for (const line of lines)
      process.stdout.write(`${options.json ? JSON.stringify(line) : lineText(line)}\n`);
    after = lines.at(-1)?.number ?? after;
    const from = performance.now();
    ({ lines } = await ask(after, 1_000, followMs));
    // a host that is to end answers at once
    if (lines.length === 0 && performance.now() - from < FOLLOW_PAUSE_MS) await sleep(FOLLOW_PAUSE_MS);
  }
}

const lineText = ({ time, level, version, text }: FunctionLogs['lines'][number]) =>
  `${new Date(time).toISOString()} ${level.padEnd(5)} v${version} ${text}`;

const cells = ({ version, bytes, createdAt, sha256 }: FunctionDetails['versions'][number]) => [
  String(version),
  formatBytes(bytes),
  new Date(createdAt).toISOString(),
  sha256.slice(0, 12),
];

const table = (before: string[], rows: string[][], after: string[] = []) =>
  formatTable([...before, 'VERSION', 'SIZE', 'DEPLOYED', 'SHA256', ...after], rows).join('\n');

function environment(text: string, before: Record<string, string>): Record<string, string> {
  const [, key, secret] = /^([A-Za-z_]\w*)=([A-Za-z][\w-]*)$/.exec(text) ?? [];
  if (key === undefined || secret === undefined)
    throw new InvalidArgumentError(
      'Expected KEY=name, the name of a secret set by `baton function secret set`.',
    );
  return { ...before, [key]: secret };
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}
