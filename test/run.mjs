// `npm test`: brings the programs the tests drive, then linter, compiler, layers and Jest. Ends with one line,
// `N passed, N failed`. Arguments go to Jest (`npm test -- test/store`) and leave the other checks out;
// `--core-node22` runs the core part under Node 22 instead. Plain JavaScript that Node 20 can start.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { ensurePrograms } from './programs.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);
/** What has to hold on the oldest supported Node too: all that touches the runtime's internals, and rooms that move. */
const CORE = [
  'test/transport',
  'test/handoff',
  'test/migration',
  'test/service/moves',
  'test/service/churn',
  'test/service/room-state',
];
/** With more broken files than this it is not the machine. In a nightly run nothing is repeated: there a test fails once. */
const MOST_REPEATED = process.env.BATON_NIGHTLY === '1' ? 0 : 6;
const JEST_DEADLINE_MS = Number(process.env.BATON_TEST_DEADLINE_MS ?? 40 * 60_000);

/** Node that runs the suite: the one from package-lock.json, else the one running now when it is new enough. */
function suiteNode() {
  if (existsSync(bin('node'))) return bin('node');
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  console.error(
    `Node ${process.versions.node} is too old for the suite and node_modules/.bin/node is missing.`,
  );
  console.error('Run `npm ci` (with install scripts allowed for the package "node") and try again.');
  process.exit(1);
}

/** Node 22 from the npm registry, kept in a cache folder outside the checkout. */
async function node22() {
  if (process.versions.node.startsWith('22.') && !existsSync(bin('node'))) return process.execPath;
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir() || tmpdir(), '.cache'), 'baton', 'node22');
  const binary = join(cache, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  // The package's own install script fetches the binary; newer npm runs such scripts only where allowed.
  writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const install = ['i', '--no-save', '--no-audit', '--no-fund', '--prefix', cache, 'node@22'];
  const { code } = await run('npm', install, { cwd: cache });
  if (code !== 0 || !existsSync(binary)) {
    console.error('Node 22 could not be installed from the npm registry (npm i node@22).');
    process.exit(1);
  }
  return binary;
}

function run(command, args, { cwd = root, env = {}, quiet = false, deadlineMs = 0, done } = {}) {
  return new Promise((resolve) => {
    const path = [join(root, 'node_modules', '.bin'), process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter);
    const stdio = ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'];
    const child = spawn(command, args, { cwd, stdio, env: { ...process.env, PATH: path, ...env } });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    const timers = [];
    if (deadlineMs) timers.push(setTimeout(() => stop(`no end after ${deadlineMs / 1000} s`), deadlineMs));
    let lingering;
    // A test that left a handle open keeps Jest alive after its results are written.
    if (done)
      timers.push(
        setInterval(
          () => done() && (lingering ??= setTimeout(() => stop('a test left something open'), 15_000)),
          1000,
        ),
      );
    const stop = (why) => {
      console.error(`stopped ${command.split('/').pop()}: ${why}`);
      child.kill('SIGKILL');
    };
    const finish = (code) => {
      timers.forEach(clearTimeout);
      clearTimeout(lingering);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      finish(127);
    });
    child.on('close', (code, signal) => finish(code ?? (signal ? 1 : 0)));
  });
}

/** Linter, compiler and layers, side by side. @returns how many failed */
async function staticChecks(node) {
  const sources = ['server/src', 'client-sdk/src', 'matchmaker-functions/src'].filter((dir) =>
    existsSync(join(root, dir)),
  );
  const checks = [
    ['lint', [bin('biome'), 'check', '.']],
    ['types', [bin('tsc'), '--noEmit', '-p', 'tsconfig.json']],
    ['layers', [bin('depcruise'), '--config', '.dependency-cruiser.cjs', ...sources]],
  ];
  const results = await Promise.all(
    checks.map(async ([name, args]) => ({
      name,
      ...(await run(node, args, { quiet: true, deadlineMs: 180_000 })),
    })),
  );
  for (const { name, code, output } of results) {
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    if (code !== 0) console.log(output.trimEnd());
  }
  return results.filter(({ code }) => code !== 0).length;
}

/** @returns counts of one Jest run; a suite that could not even load counts as one failed test */
async function jest(node, args) {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  const outputFile = join(folder, 'results.json');
  const flags = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules/jest/bin/jest.js'),
  ];
  const workers = args.some((arg) => /^(-w|-i$|--maxWorkers|--runInBand)/.test(arg)) ? [] : ['-w', '2'];
  const all = [...flags, ...workers, '--json', '--outputFile', outputFile, ...args];
  const env = { PATH: [dirname(node), process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter) };
  await run(node, all, { env, deadlineMs: JEST_DEADLINE_MS, done: () => existsSync(outputFile) });
  const results = existsSync(outputFile) ? JSON.parse(readFileSync(outputFile, 'utf8')) : undefined;
  rmSync(folder, { recursive: true, force: true });
  if (!results) return { passed: 0, failed: 1, skipped: 0, failures: ['Jest wrote no results'] };
  const broken = results.testResults.filter(({ status }) => status === 'failed');
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
    broken: broken.map(({ name }) => name),
    // What failed, in a line each: the end of a long output is what is looked at.
    failures: broken.flatMap(({ name, message, assertionResults }) => {
      const failed = assertionResults.filter((a) => a.status === 'failed');
      const about = (text = '') =>
        stripVTControlCharacters(text)
          .trim()
          .split(/\s*\n\s*/)
          .slice(0, 4)
          .join(' | ')
          .slice(0, 400);
      return failed.length > 0
        ? failed.map((a) => `${relative(root, name)}: ${a.fullName}: ${about(a.failureMessages[0])}`)
        : [`${relative(root, name)}: ${about(message)}`];
    }),
    passedInBroken: broken
      .flatMap(({ assertionResults }) => assertionResults)
      .filter((a) => a.status === 'passed').length,
  };
}

/**
 * The whole suite, two files at a time. Many tests run services of several processes against the clock of their
 * timeouts; files that failed get one more run, alone, so that a fault of the machine and a fault of the code can be
 * told apart. Those that pass only then are named at the end.
 */
async function suite(node, args) {
  const first = await jest(node, args);
  if (!first.broken?.length || first.broken.length > MOST_REPEATED) return first;
  console.log(`again, one by one: ${first.broken.map((file) => relative(root, file)).join(' ')}`);
  const second = await jest(node, ['-i', ...first.broken]);
  const stillBroken = second.broken ?? first.broken;
  return {
    passed: first.passed - first.passedInBroken + second.passed,
    failed: second.failed,
    skipped: first.skipped,
    flaky: first.broken.filter((file) => !stillBroken.includes(file)),
    failures: [...first.failures.map((line) => `at first: ${line}`), ...(second.failures ?? [])],
  };
}

async function main() {
  const args = process.argv.slice(2);
  if (args[0] === '--core-node22') {
    const node = await node22();
    const result = await suite(node, CORE);
    return { ...result, prefix: 'Node 22, core part: ' };
  }
  const node = suiteNode();
  const complete = args.length === 0;
  if (!(await ensurePrograms()) && complete) process.exit(1);
  const broken = complete ? await staticChecks(node) : 0;
  const result = complete ? await suite(node, args) : await jest(node, args);
  return { ...result, failed: result.failed + broken };
}

const { passed, failed, skipped, flaky = [], failures = [], prefix = '' } = await main();
for (const line of failures) console.log(`failed: ${line}`);
for (const file of flaky) console.log(`flaky: ${relative(root, file)}`);
if (flaky.length > 0) console.log(`${flaky.length} of the files passed only when run again, alone`);
console.log(`${prefix}${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
