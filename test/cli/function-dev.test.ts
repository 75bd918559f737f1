// `baton function dev` as a studio uses it: a folder of functions, sockets that call them, mistakes, Ctrl-C.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { Plain } from '../sockets/plain.ts';
import { atEnd, cleanUp } from '../supervisor/service.ts';
import { baton, CommandLine } from './command-line.ts';

afterEach(cleanUp);

const app = fileURLToPath(new URL('../functions/fixtures/app.config.ts', import.meta.url));
const duel = `
import { defineFunctions, firstComePairs } from '@baton/functions';
import { greeting } from './lib/greeting.ts';

const pairs = firstComePairs();
export default defineFunctions({
  ...pairs,
  receive({ text }) {
    if (text === 'break') throw new Error('it broke');
    return \`\${greeting}, \${process.env['BATON_URL']}\`;
  },
});
`;

function folder(files: Record<string, string>): string {
  const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
  fs.mkdirSync(artifacts, { recursive: true });
  const dir = fs.mkdtempSync(path.join(artifacts, 'functions-'));
  atEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), text);
  }
  return dir;
}

test('functions run, are mapped, show their calls, and run anew after each change', async () => {
  const dir = folder({
    'duel.ts': duel,
    'lib/greeting.ts': "export const greeting = 'hello';",
    'duel.test.ts': 'throw new Error();',
    'empty.ts': 'export const nothing = 1;',
  });
  const line = new CommandLine(['function', 'dev', dir, '--app', app]);
  const shown = await line.until((output) => /^empty \| open sockets/m.test(output));
  expect(shown).toMatch(/^empty \| it has no default export with fetch\(\).*waiting for a change$/m);
  const url = /^duel \| open sockets: new WebSocket\('(.+?)\/v1\/socket\/duel\?token=ann'\)/m.exec(
    shown,
  )![1]!;
  const open = async (token: string) => {
    const socket = new Plain(url, 'duel', { token, protocols: ['baton.v1'] });
    atEnd(() => socket.close());
    await socket.opened;
    return socket;
  };

  const ann = await open('ann');
  const { socketId } = await ann.event('open');
  const bob = await open('bob');
  expect((await bob.event('linked')).peers).toEqual([socketId]);
  await line.until((output) => output.includes(`: 200 {"peer":"${socketId}"}`));
  bob.send('a word');
  expect(await ann.text()).toBe('a word');
  expect(await bob.text()).toBe(`hello, ${url.replace('ws', 'http')}`);

  bob.send('break');
  await line.until((output) => /duel \| Error: it broke\n(.*\n)*?duel \| +at .*duel\.ts:9:\d+/.test(output));
  await line.until((output) => /duel \| receive bob on \S+: 500/.test(output));

  fs.writeFileSync(path.join(dir, 'lib/greeting.ts'), "export const greeting = 'good");
  await line.until(
    (output) => /lib\/greeting\.ts:1:\d+/.test(output) && output.includes('duel | waiting for a change'),
  );
  const refused = await open('cyd');
  expect((await refused.event('error')).code).toBe('BATON_CALL_FAILED');
  await line.until((output) => /duel \| open cyd on \S+: 503 .*does not compile/.test(output));

  fs.writeFileSync(path.join(dir, 'lib/greeting.ts'), "export const greeting = 'good day';");
  await line.until((output) => output.includes('duel | runs anew'));
  bob.send('another word');
  expect(await bob.text()).toContain('good day, ');

  line.child.kill('SIGINT');
  expect((await line.outcome).code).toBe(0);
  await expect(fetch(url.replace('ws', 'http'))).rejects.toThrow('fetch failed');
}, 90_000);

test('a path that leads nowhere is an error at once', async () => {
  const missing = await baton(['functions', 'dev', 'no-such-file.ts', '--json']);
  expect([missing.code, missing.json.error.code]).toEqual([2, 'BATON_INVALID_OPTION']);
  const empty = await baton(['function', 'dev', folder({ 'readme.md': '' })]);
  expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('no .ts or .js file')]);
});
