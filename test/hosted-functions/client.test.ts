// A host's side: it asks the runner where a function is, and calls it there itself.
import http from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Functions } from '../../server/src/functions/index.ts';
import { runnerSocket } from '../../server/src/functions/protocol.ts';
import { serve } from '../../server/src/functions/server.ts';
import { findWorkerd } from '../../server/src/functions/workerd.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';
import { answers, Bench } from './support.ts';

let bench: Bench;
let server: http.Server | undefined;
let functions: Functions;
let started = 0;

beforeAll(async () => {
  bench = await Bench.start();
  functions = new Functions({
    runtimeDir: bench.dir,
    startRunner: () => {
      if (started++ > 0) return;
      server = serve(bench.runner, silentLog, () => {}).listen(runnerSocket(bench.dir));
    },
  });
});
afterAll(async () => {
  await functions.close();
  server?.closeAllConnections();
  server?.close();
  await bench.stop();
});

const deploy = (name: string, expression: string) =>
  functions.deploy({ tenant: 't', name, code: answers(expression), env: {}, allowNet: [] });

async function call(name: string): Promise<string> {
  const { url, dispatcher } = await functions.resolve('t', name);
  const { statusCode, body } = await dispatcher.request({
    origin: url,
    path: '/',
    method: 'POST',
    body: '{}',
  });
  return `${statusCode} ${await body.text()}`;
}

test('the process that runs functions is started when it is needed first', async () => {
  expect(await functions.list({ tenant: 't' })).toEqual({ functions: [] });
  expect(started).toBeGreaterThan(0);
});

test('no call fails while versions follow each other, also when the one before is gone', async () => {
  await deploy('duel', '"1"');
  const before = await bench.runner.socket('t', 'duel');
  const heard = new Set<string>();
  let going = true;
  const calls = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (going) {
        heard.add(await call('duel'));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }),
  );
  await Promise.race([calls, until(() => heard.size === 1, 'the first answers')]);
  await deploy('duel', '"2"');
  await deploy('duel', '"3"');
  const gone = until(async () => (await reach(before)) === 'ENOENT', 'the first version to be gone', 20_000);
  await Promise.race([calls, gone]);
  going = false;
  await calls;
  expect([...heard].at(0)).toBe('200 1');
  expect([...heard].at(-1)).toBe('200 3');
}, 40_000);

test('a function that died is called where it runs next', async () => {
  await deploy('mortal', '"here"');
  expect(await call('mortal')).toBe('200 here');
  process.kill((await functions.show({ tenant: 't', name: 'mortal' })).pid!, 'SIGKILL');
  await until(async () => (await call('mortal').catch(() => '')) === '200 here', 'it to answer again');
});

test('what is deleted is not called any more, though it was called before', async () => {
  await deploy('brief', '"here"');
  expect(await call('brief')).toBe('200 here');
  await functions.remove({ tenant: 't', name: 'brief' });
  await until(
    async () => (await call('brief').catch(({ code }) => code)) === 'BATON_FUNCTION_NOT_FOUND',
    'it to be unknown',
  );
});

test('a system that cannot keep their limits says so', () => {
  expect(() => findWorkerd('darwin')).toThrow(
    expect.objectContaining({ code: 'BATON_FUNCTIONS_UNSUPPORTED', status: 501 }),
  );
});

/** Whether somebody listens there. */
const reach = (socketPath: string) =>
  new Promise<string>((resolve) => {
    http
      .get({ socketPath }, (response) => resolve(String(response.resume().statusCode)))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
  });
