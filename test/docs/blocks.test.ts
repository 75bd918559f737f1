// Every block of code in the pages is of a language that some test checks.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalPresence } from '@colyseus/core';
import { afterAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { readMappingFile } from '../../server/src/cli/mapping-file.ts';
import { createProgram } from '../../server/src/cli/program.ts';
import { AuditLog, type Operation } from '../../server/src/control/index.ts';
import { loadConfig } from '../../server/src/mappings/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { closeAll, serve } from '../control/support.ts';
import { type Block, blocksOf, pages, read, root } from './markdown.ts';

/** Language → what is done with its blocks. */
const CHECKED: Record<string, string> = {
  ts: 'code.test.ts type-checks it; a file with mappings is loaded, below',
  sh: 'commands.test.ts parses what is for Baton; syntax and other programs, below',
  console: 'as sh, for lines that begin with $',
  json: 'parsed, below',
  ini: 'names of variables of the environment, below',
  yaml: 'parsed, and a file with mappings is read, below',
  csv: 'test/simulate/page.test.ts plays it',
  http: 'request and answer go with the operation, below',
  mermaid: 'site.test.ts draws it',
};
/** Programs that command lines may call, besides npm, npx and baton. */
const PROGRAMS = 'apt-get cat cd cp git install jq mkdir node openssl systemctl useradd'.split(' ');

const blocks = pages().flatMap(blocksOf);
const of = (...languages: string[]) => blocks.filter(({ info }) => languages.includes(info));
const placeOf = ({ page, line }: Block) => `${page}:${line}`;

// Inside the repository, so that packages are found as a reader's editor would; ignored by git and the linter.
const folder = join(root, `blocks-${process.pid}.tmp`);
mkdirSync(folder);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await closeAll();
});

function fileWith({ text }: Block, suffix: string): string {
  const file = join(folder, `${Math.random().toString(36).slice(2)}${suffix}`);
  writeFileSync(file, text);
  return file;
}

test('no block escapes', () => {
  expect(blocks.length).toBeGreaterThan(50);
  expect(blocks.filter(({ info }) => !(info in CHECKED)).map(placeOf)).toEqual([]);
  // those elsewhere would not be drawn by the site
  expect(of('mermaid').filter(({ page }) => !page.startsWith('docs/'))).toEqual([]);
});

test('files with mappings load', async () => {
  process.env['TOKEN_SECRET'] = 'x'.repeat(48);
  process.env['SIGNING_SECRET'] = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const guard = new AddressGuard(['127.0.0.0/8']);
  const configs = of('ts').filter(({ text }) => /export default \{.*mappings:/s.test(text));
  expect(configs.length).toBeGreaterThan(4);
  for (const block of configs) {
    const tenants = await loadConfig(fileWith(block, '.ts'), { guard, development: true }).catch(
      (error: Error) => error.message,
    );
    expect([placeOf(block), tenants]).toEqual([placeOf(block), expect.any(Array)]);
  }
  for (const block of of('yaml').filter(({ text }) => text.startsWith('mappings:')))
    expect(await readMappingFile(fileWith(block, '.yaml'))).not.toEqual([]);
});

test('variables of the environment are those that options are read from', async () => {
  const options = (await createProgram()).commands.flatMap((command) => command.options);
  const known = [...options.map(({ envVar }) => envVar), 'BATON_CONTROL_TOKEN'];
  const lines = of('ini').flatMap(({ text }) => text.trim().split('\n'));
  for (const line of lines) {
    const name = /^([A-Z_]+)=\S+$/.exec(line)?.[1];
    expect([line, name]).toEqual([line, expect.any(String)]);
    if (name!.startsWith('BATON_')) expect(known).toContain(name);
  }
});

test('JSON and YAML parse', () => {
  for (const { text } of of('json')) expect(JSON.parse(text)).toEqual(expect.any(Object));
  for (const { text } of of('yaml')) expect(parse(text)).toEqual(expect.any(Object));
});

/** The command lines of a block. */
function linesOf({ info, text }: Block): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  if (info === 'sh') return lines;
  return lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));
}

test('command lines are those of a shell, and call what is there', () => {
  const scripts = (file: string) => Object.keys(JSON.parse(read(file)).scripts);
  const known = [
    ...scripts('package.json'),
    ...scripts('server/templates/duel/package.json'),
    'test',
    'start',
  ];
  const wrong: string[] = [];
  for (const block of of('sh', 'console')) {
    const lines = linesOf(block);
    const { status, stderr } = spawnSync('bash', ['-n'], { input: lines.join('\n'), encoding: 'utf8' });
    if (status !== 0) wrong.push(`${placeOf(block)}: ${stderr}`);
    const commands = lines.flatMap((line) => line.replace(/\s#.*$/, '').split(/&&|\||;/));
    for (const command of commands.map((text) => text.trim().split(/\s+/))) {
      const [program, first, second] = command as [string, string?, string?];
      const fine =
        program === 'baton' ||
        (program === 'npx' && ['baton', 'tsx'].includes(first!)) ||
        (program === 'npm' && ['ci', 'install', 'pack', 'create'].includes(first!)) ||
        (program === 'npm' &&
          known.includes(first === 'run' ? (second === '-s' ? command[3]! : second!) : first!)) ||
        PROGRAMS.includes(program);
      if (!fine) wrong.push(`${placeOf(block)}: ${command.join(' ')}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** `GET /v1/hosts`, JSON or nothing, an empty line, `200 OK`, headers, JSON. */
function exchangeOf({ text }: Block) {
  const [asked, answered] = text.split('\n\n') as [string, string];
  const [head, ...body] = asked.split('\n');
  const [status, ...rest] = answered.split('\n');
  return {
    route: head!.split(' ') as [string, string],
    body: body.length > 0 ? JSON.parse(body.join('')) : {},
    status: Number.parseInt(status!, 10),
    answer: JSON.parse(rest.filter((line) => !/^[A-Z][\w-]+: /.test(line)).join('')),
  };
}

test('requests and answers are those of the control API', async () => {
  const { operations } = await serve({ audit: new AuditLog(new LocalPresence(), silentLog) });
  const fits = ({ method, path }: Operation, route: [string, string]) =>
    method === route[0] && new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`).test(route[1].split('?')[0]!);
  expect(of('http').length).toBeGreaterThan(4);
  for (const block of of('http')) {
    const { route, body, status, answer } = exchangeOf(block);
    const operation = operations.find((each) => fits(each, route))!;
    expect([placeOf(block), operation?.id]).toEqual([placeOf(block), expect.any(String)]);
    const wrong = [
      operation.body?.safeParse(body),
      status < 300 ? operation.answer?.safeParse(answer) : undefined,
    ]
      .map((result) => result?.error?.message)
      .filter((message) => message !== undefined);
    expect([placeOf(block), wrong]).toEqual([placeOf(block), []]);
    if (status >= 300) expect(operation.errors).toContain(answer.code);
  }
});
