// An endpoint says that it wants the calls of this service, or no mapping may name it.
import { defineFunctions } from '@baton/functions';
import { afterEach, expect, test } from '@jest/globals';
import { AddressGuard, Caller } from '../../server/src/calls/index.ts';
import { type Answer, functionServer, status } from './server.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function prove(answer: Answer) {
  const server = await functionServer(answer);
  ends.push(server.stop);
  await server.caller.prove(server.url, 'baton.example');
  return server.asked;
}
const allows = (headers: Record<string, string>, code = 200) => status(code, headers);

test.each<[string, Answer]>([
  ['names the origin', allows({ 'webhook-allowed-origin': 'Baton.Example' })],
  ['takes any', allows({ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' }, 204)],
])('an endpoint that %s is proven', async (_what, answer) => {
  const [asked, ...more] = await prove(answer);
  expect(more).toEqual([]);
  expect(asked).toMatchObject({ method: 'OPTIONS', headers: { 'webhook-request-origin': 'baton.example' } });
});

test.each<[string, Answer, string]>([
  ['knows nothing of it', status(200), 'its answer has no WebHook-Allowed-Origin; expected "baton.example"'],
  [
    'means another one',
    allows({ 'webhook-allowed-origin': 'x.example' }),
    'its answer allows another origin',
  ],
  ['refuses', allows({ 'webhook-allowed-origin': '*' }, 405), 'it answered 405 to OPTIONS'],
  ['sends elsewhere', allows({ location: '/', 'webhook-allowed-origin': '*' }, 307), 'it answered 307'],
  [
    'wants few calls',
    allows({ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '60' }),
    'it limits the rate of calls',
  ],
  ['does not answer', (response) => response.destroy(), 'it cannot be reached'],
])('an endpoint that %s is not', async (_what, answer, reason) => {
  await expect(prove(answer)).rejects.toMatchObject({
    code: 'BATON_ENDPOINT_UNPROVEN',
    message: expect.stringContaining(reason),
  });
});

test('functions of @baton/functions are proven; what may not be called is not asked', async () => {
  const served = await defineFunctions({ open: () => ({}) }).serve({ port: 0 });
  ends.push(() => served.close());
  const caller = (allowed: string[]) => {
    const made = new Caller({ source: '/', guard: new AddressGuard(allowed), secrets: () => [] });
    ends.push(() => made.shutdown());
    return made;
  };
  await caller(['127.0.0.0/8']).prove(served.url, 'baton.example');
  await expect(caller([]).prove(served.url, 'baton.example')).rejects.toThrow('it may not be called');
});
