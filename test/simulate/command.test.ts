// `baton simulate`: players from a seed, a population file or a trace; text, JSON, CSV and HTML.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import type { Browser, Page } from 'playwright-core';
import { exitCodeOf } from '../../server/src/cli/output.ts';
import { createProgram } from '../../server/src/cli/program.ts';
import { readPopulation } from '../../server/src/cli/simulate/population-file.ts';
import { readTrace } from '../../server/src/cli/simulate/trace.ts';
import { BatonError } from '../../server/src/errors.ts';
import { violations } from '../browser/accessibility.ts';
import { complaints, openBrowser } from '../browser/example.ts';
import { baton } from './command-line.ts';

const skill = fileURLToPath(new URL('./fixtures/skill.ts', import.meta.url));
const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'baton-simulate-'));
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const simulate = (...args: string[]) => baton(['simulate', ...args]);

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function open(
  path: string,
  colorScheme: 'light' | 'dark',
): Promise<{ page: Page; wrong: string[]; asked: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
  const wrong = complaints(page);
  const asked: string[] = [];
  page.on('request', (request) => void asked.push(request.url()));
  await page.goto(`file://${path}`);
  return { page, wrong, asked };
}

test('two matchmakers on the same players: the same seed gives the same bytes, and the page works alone', async () => {
  const outputs = async (name: string) => {
    const [html, csv] = [join(folder, `${name}.html`), join(folder, `${name}.csv`)];
    const size = ['--players', '600', '--arrivals', '20/s', '--seed', '7'];
    const result = await simulate(
      skill,
      '--compare',
      `${skill}#first`,
      ...size,
      '--json',
      '--html',
      html,
      '--csv',
      csv,
    );
    return { ...result, html: readFileSync(html, 'utf8'), csv: readFileSync(csv, 'utf8') };
  };
  const [one, two] = await Promise.all([outputs('one'), outputs('two')]);
  expect(one).toMatchObject({ code: 0, stderr: '' });
  expect(two).toEqual(one);

  const { seed, results } = JSON.parse(one.stdout);
  expect(seed).toBe(7);
  expect(results.map(({ matchmaker }: { matchmaker: string }) => matchmaker)).toEqual([
    'skill.ts',
    'skill.ts#first',
  ]);
  const [near, first] = results;
  expect(near.players.arrived).toBe(600);
  expect(near.fairness.mean).toBeLessThan(first.fairness.mean);
  expect(near.wait.p95).toBeGreaterThanOrEqual(first.wait.p95);

  const rows: Record<string, string>[] = parse(one.csv, { columns: true });
  expect(rows).toHaveLength(1_200);
  const waits = rows.filter(({ matchmaker, outcome }) => matchmaker === 'skill.ts' && outcome === 'matched');
  expect(waits).toHaveLength(near.players.matched);
  expect(Math.max(...waits.map(({ waited }) => Number(waited)))).toBeCloseTo(near.wait.max / 1000, 3);

  for (const scheme of ['light', 'dark'] as const) {
    const { page, wrong, asked } = await open(join(folder, 'one.html'), scheme);
    const charts = await page.locator('.chart').count();
    expect(charts).toBeGreaterThan(5);
    expect(await page.locator('.chart canvas').count()).toBe(charts);
    expect(await page.evaluate(inked)).toEqual(Array(charts).fill(true));
    expect(await page.locator('details table').count()).toBe(charts);
    // The shortest one: axe-core looks at every cell.
    await page.locator('summary', { hasText: 'by rating' }).click();
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: `${artifacts}simulation-${scheme}.png`, fullPage: true });
    const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.getByRole('button', { name: 'Dark' }).click();
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe(before);
    expect(await page.locator('.chart canvas').count()).toBe(charts);
    expect(asked).toEqual([`file://${join(folder, 'one.html')}`]);
    expect(wrong).toEqual([]);
    await page.close();
  }
}, 90_000);

/** Whether something is drawn, chart by chart. */
function inked(): boolean[] {
  return [...document.querySelectorAll<HTMLCanvasElement>('.chart canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value, n) => n % 4 === 3 && value > 0);
  });
}

test('a trace and a population file are played, and people get tables', async () => {
  const trace = file('trace.csv', 'time,player,party\n0,anna,\n0.5,ben,x\n0.5,cleo,x\n1,dan,\n1.2,dan,\n');
  const played = await simulate(`${skill}#first`, '--trace', trace, '--seed', '1');
  expect(played).toMatchObject({ code: 0, stderr: '' });
  expect(played.stdout).toMatch(/players arrived +4\n/);
  expect(played.stdout).toMatch(/of 2 +first|of 2 +skill\.ts#first +1 /);
  expect(played.stdout).toContain('1 tickets were left out: their players searched already');

  const population = file(
    'population.yaml',
    'patience: 1s\nparties: { 1: 1, 2: 1 }\nagain: { probability: 1, matchDuration: 5s }\n',
  );
  const again = await simulate(
    `${skill}#first`,
    '--population',
    population,
    '--players',
    '100',
    '--arrivals',
    '600/m',
    '--json',
  );
  const [report] = JSON.parse(again.stdout).results;
  expect(report.players.arrived).toBeGreaterThan(100);
  expect(report.parties.map(({ size }: { size: number }) => size)).toEqual([1, 2]);
}, 30_000);

test('what a matchmaker may not do is said, and fails', async () => {
  const { code, stdout, stderr } = await simulate(`${skill}#twice`, '--players', '3', '--json');
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^baton: skill\.ts#twice: match 1 of 1: p1 would meet themselves: ticket t1 is in it twice \(round at \d+\.000 s; ticket t1\) \(BATON_SIMULATION_FAILED\)\n$/,
  );
  expect(JSON.parse(stdout).error).toMatchObject({
    code: 'BATON_SIMULATION_FAILED',
    details: { tickets: ['t1'] },
  });
}, 30_000);

test('functions of a studio, however they are exported, beside a matchmaker', async () => {
  const outputs = async (name: string) => {
    const csv = join(folder, `${name}.csv`);
    const size = ['--players', '300', '--arrivals', '20/s', '--seed', '7', '--json', '--csv', csv];
    const played = await simulate(`${skill}#linked`, '--compare', `${skill}#pairs`, ...size);
    return { ...played, csv: readFileSync(csv, 'utf8') };
  };
  const [one, two] = await Promise.all([outputs('first'), outputs('second')]);
  expect(one).toMatchObject({ code: 0, stderr: '' });
  expect(two).toEqual(one);
  const [linked, pairs] = JSON.parse(one.stdout).results;
  expect(linked).toMatchObject({ matchmaker: 'skill.ts#linked', players: { arrived: 300 }, refused: {} });
  expect(pairs).toMatchObject({ matchmaker: 'skill.ts#pairs', players: { matched: 300 }, refused: {} });
  expect(linked.fairness.mean).toBeLessThan(pairs.fairness.mean);
  expect(linked.wait.p95).toBeGreaterThan(pairs.wait.p95);
  const rows: Record<string, string>[] = parse(one.csv, { columns: true });
  expect(rows).toHaveLength(600);
}, 60_000);

test('what functions may not do is said with the call and the time; what they print is no part of the report', async () => {
  const { code, stdout, stderr } = await simulate(
    `${skill}#talkative`,
    '--players',
    '9',
    '--seed',
    '7',
    '--json',
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(/^hello s1\nhello s2\nhello s3\n/);
  expect(stderr).toContain(
    'skill.ts#talkative: the open function, called for socket s3 of player p3, failed: its answer is invalid: Unrecognized key: "pear" (at 0.',
  );
  const { error, ...others } = JSON.parse(stdout);
  expect(others).toEqual({});
  expect(error).toMatchObject({
    code: 'BATON_SIMULATION_FAILED',
    details: { socket: 's3', at: expect.any(Number) },
  });
}, 30_000);

test('a promise that is rejected and nobody looks after ends it, too', async () => {
  const { code, stderr } = await simulate(`${skill}#careless`, '--players', '1', '--seed', '7');
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^baton: skill\.ts#careless: a promise was rejected: nobody looks \(at 0\.\d{3} s\) \(BATON_SIMULATION_FAILED\)\n$/,
  );
}, 30_000);

test('a file that exports neither is told both forms, and what else is in it', async () => {
  const { code, stderr } = await simulate(`${skill}#notOne`);
  expect(code).toBe(2);
  expect(stderr).toContain(
    'its export "notOne" is neither a matchmaker, which has match(), nor functions, which have open() or ' +
      'fetch(); there is #careless, #default, #first, #linked, #pairs, #talkative, #twice (BATON_MATCHMAKER_INVALID)',
  );
}, 30_000);

test('a file that cannot be written is said', async () => {
  const { code, stderr } = await simulate(skill, '--players', '2', '--csv', join(folder, 'no', 'x.csv'));
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--csv: ENOENT') });
}, 30_000);

test.each([
  [['no-such-file.ts'], 'Matchmaker no-such-file.ts: there is no such file'],
  [
    [skill, '--arrivals', 'often'],
    "'--arrivals <rate>' argument 'often' is invalid. Expected a rate such as 50/s",
  ],
  [[skill, '--players', '0'], 'Expected 1 to 1000000 players'],
  [[skill, '--trace', join(folder, 'none.csv')], 'ENOENT'],
])('%j is not tried', async (args, message) => {
  const program = await createProgram();
  const refused = await program
    .parseAsync(['simulate', ...args], { from: 'user' })
    .catch((error: Error) => error);
  expect((refused as Error).message).toContain(message);
  expect(exitCodeOf(refused)).toBe(refused instanceof BatonError ? 2 : 1);
});

test('a trace: times from its first one, parties, and what is known of players', () => {
  const text =
    '\ufefftime,player,rating,sigma,latency,party,roles,patience\r\n' +
    '2026-05-01T20:00:05Z,"Bo, the 2nd",30,2,eu=30 us=110,,tank healer,60\r\n' +
    '2026-05-01T20:00:00Z,anna,,,,duo,,90\r\n\r\n' +
    '2026-05-01T20:00:00Z,ben,20,,,duo,,45.5\r\n';
  expect(readTrace(file('good.csv', text))).toEqual([
    { at: 0, patience: 45_500, players: [{ id: 'anna' }, { id: 'ben', rating: { mu: 20, sigma: 25 / 3 } }] },
    {
      at: 5_000,
      patience: 60_000,
      players: [
        {
          id: 'Bo, the 2nd',
          rating: { mu: 30, sigma: 2 },
          latency: { eu: 30, us: 110 },
          roles: ['tank', 'healer'],
        },
      ],
    },
  ]);
});

test.each([
  ['', 1, 'the file is empty'],
  ['time,name\n', 1, 'column "name" is not one of time, player'],
  [
    'time,time,player\n',
    1,
    'column "time" is not one of time, player, rating, sigma, latency, party, roles, patience, or is there twice',
  ],
  ['time,rating\n', 1, 'column "player" is missing'],
  ['time,player\n1,a\n\n2\n', 4, 'it has 1 cells, but there are 2 columns'],
  ['time,player\n1,a\nsoon,b\n', 3, 'time "soon" is neither seconds nor a date and time'],
  ['time,player\n1,a\n2,\n', 3, 'player is empty'],
  ['time,player,rating\n1,a,good\n', 2, 'rating "good" is not a number from -1000000 to 1000000'],
  ['time,player,sigma\n1,a,3\n', 2, 'sigma is given without a rating'],
  ['time,player,patience\n1,a,-3\n', 2, 'patience "-3" is not a number from 0'],
  ['time,player,latency\n1,a,30\n', 2, 'latency "30" is not like eu=30'],
  ['time,player,party\n1,a,x\n1,a,x\n', 3, 'player "a" is in this party already'],
  ['time,player\n1,"a\n', 2, 'Quote Not Closed'],
])('a bad trace %j: line %d is named', (text, line, reason) => {
  const bad = file('bad.csv', text);
  expect(() => readTrace(bad)).toThrow(`${bad}, line ${line}: ${reason}`);
});

test('a population file that is wrong: every line and field', async () => {
  const bad = file('bad.yaml', 'patience: soon\nparties:\n  0: 1\nregions: {}\nmood: good\n');
  const told = await readPopulation(bad).catch((error: Error) => error.message);
  expect(told).toContain('line 1: patience: expected a duration such as "90s", or "never"');
  expect(told).toContain('line 3: parties: expected sizes from 1 to 99');
  expect(told).toContain('line 4: regions: expected a region');
  expect(told).toContain('Unrecognized key: "mood"');
});
