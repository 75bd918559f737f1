import { inspect } from 'node:util';
import { defineFunctions, type Served, type SocketEvent } from '@baton/functions';
import { afterEach, describe, expect, jest, test } from '@jest/globals';

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

const headers = { 'ce-type': 'baton.socket.open', 'ce-subject': 's1', 'ce-playerid': 'ann' };
const post = (init: RequestInit = {}) => fetch(served!.url, { method: 'POST', headers, ...init });

describe('functions over HTTP', () => {
  test('an open function sees who opened what, and its answer is the JSON of the response', async () => {
    const events: SocketEvent[] = [];
    served = await defineFunctions({
      open: (event) => {
        events.push(event);
        return { attributes: { team: 'red' } };
      },
    }).serve({ port: 0 });
    const response = await post({
      headers: {
        ...headers,
        'ce-id': 'e1',
        'ce-playerid': 'J%C3%BCrgen',
        'ce-tenant': 'studio',
        'ce-mapping': 'duel',
        'ce-mappingversion': '2',
        'ce-epoch': '3',
        'ce-sequence': '7',
        'ce-attributes': '{%22team%22:%22r%C3%B8d%22}',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ rank: 12 }),
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ attributes: { team: 'red' } });
    expect(events).toEqual([
      {
        kind: 'open',
        id: 'e1',
        socketId: 's1',
        playerId: 'Jürgen',
        tenant: 'studio',
        mapping: 'duel',
        mappingVersion: 2,
        epoch: 3,
        sequence: 7,
        attributes: { team: 'rød' },
        data: { rank: 12 },
      },
    ]);
  });

  test.each([
    ['\u{1F600}'.repeat(64), 200],
    ['王'.repeat(256), 200],
    ['王'.repeat(257), 400],
    ['a'.repeat(257), 400],
  ])('a name is measured as it reads, not as it is encoded: %s', async (name, status) => {
    served = await defineFunctions({ open: ({ playerId }) => ({ send: playerId }) }).serve({ port: 0 });
    const response = await post({ headers: { ...headers, 'ce-playerid': encodeURIComponent(name) } });
    expect(response.status).toBe(status);
    if (status === 200) expect(await response.json()).toEqual({ send: name });
  });

  test('a receive function gets what the client sent, and answers with actions, text, bytes or nothing', async () => {
    const seen: unknown[] = [];
    served = await defineFunctions({
      open: () => ({}),
      receive: ({ contentType, bytes, text, data }) => {
        seen.push([contentType, Buffer.from(bytes).toString('hex'), text]);
        if (text === 'actions') return { send: data, close: { code: 4100, reason: 'over' } };
        if (text === 'text') return 'Zoë';
        return text === 'bytes' ? Uint8Array.of(0, 255) : undefined;
      },
    }).serve({ port: 0 });
    const type = { ...headers, 'ce-type': 'baton.socket.receive' };
    const say = async (body: string, contentType: string) => {
      const response = await post({ headers: { ...type, 'content-type': contentType }, body });
      const answer = Buffer.from(await response.arrayBuffer());
      return [response.status, response.headers.get('content-type'), answer.toString('latin1')];
    };
    expect(await say('actions', 'text/plain')).toEqual([
      200,
      'application/json',
      JSON.stringify({ send: Buffer.from('actions'), close: { code: 4100, reason: 'over' } }),
    ]);
    expect(await say('text', 'text/plain')).toEqual([200, 'text/plain; charset=utf-8', 'Zo\xc3\xab']);
    expect(await say('bytes', 'application/x-own')).toEqual([200, 'application/octet-stream', '\0\xff']);
    expect(await say('', 'application/octet-stream')).toEqual([204, null, '']);
    expect(seen[2]).toEqual(['application/x-own', '6279746573', 'bytes']);
  });

  test('functions for the beginning and the end of a link; what is not there is no error', async () => {
    const peers: unknown[] = [];
    const record = ({ kind, data }: { kind: string; data: { peers: string[] } }) => {
      peers.push(kind, data.peers);
      return undefined;
    };
    const call = (kind: string) =>
      post({
        headers: { ...headers, 'ce-type': `baton.socket.${kind}`, 'content-type': 'application/json' },
        body: '{"peers":["s2"]}',
      });
    served = await defineFunctions({ open: () => ({}), linked: record, unlinked: record }).serve({ port: 0 });
    for (const kind of ['linked', 'unlinked', 'receive', 'close', 'something-new'])
      expect((await call(kind)).status).toBe(204);
    expect(peers).toEqual(['linked', ['s2'], 'unlinked', ['s2']]);
  });

  test('a function that answers nothing leaves the socket as it is', async () => {
    served = await defineFunctions({ open: () => undefined }).serve({ port: 0 });
    expect(await (await post()).json()).toEqual({});
  });

  test.each([
    ['no socket', { 'ce-type': 'baton.socket.open', 'ce-playerid': 'ann' }, 'ce-subject'],
    ['no player', { 'ce-type': 'baton.socket.open', 'ce-subject': 's1' }, 'ce-playerid'],
    ['another event', { ...headers, 'ce-type': 'com.example.order' }, 'ce-type'],
    ['a wrong epoch', { ...headers, 'ce-epoch': '-1' }, 'ce-epoch'],
    ['a wrong number', { ...headers, 'ce-sequence': '1.5' }, 'ce-sequence'],
    ['attributes that are none', { ...headers, 'ce-attributes': '[1]' }, 'ce-attributes'],
    ['attributes cut short', { ...headers, 'ce-attributes': '{' }, 'ce-attributes'],
    ['a broken escape', { ...headers, 'ce-playerid': '%zz' }, 'ce-playerid'],
    ['an endless id', { ...headers, 'ce-subject': 'x'.repeat(300) }, 'ce-subject'],
  ])('a call with %s is refused and says which header is wrong', async (_case, wrong, name) => {
    served = await defineFunctions({ open: () => ({}) }).serve({ port: 0 });
    const response = await post({ headers: wrong });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(((await response.json()) as { detail: string }).detail).toContain(name);
  });

  test('a body that is not the JSON it claims to be is refused', async () => {
    served = await defineFunctions({ open: () => ({}) }).serve({ port: 0 });
    const response = await post({ headers: { ...headers, 'content-type': 'application/json' }, body: '{' });
    expect(response.status).toBe(400);
  });

  test('a function that throws is a 500 that gives nothing away', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => {});
    served = await defineFunctions({
      open: () => {
        throw new Error('database password is hunter2');
      },
    }).serve({ port: 0 });
    const response = await post();
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('hunter2');
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  });

  test('OPTIONS answers the webhook handshake', async () => {
    served = await defineFunctions({ open: () => ({}) }).serve({ port: 0 });
    const response = await fetch(served.url, {
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': 'baton.example' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('webhook-allowed-origin')).toBe('baton.example');
    expect((await fetch(served.url)).status).toBe(405);
  });

  test('a taken port is an error of serve()', async () => {
    served = await defineFunctions({ open: () => ({}) }).serve({ port: 0 });
    await expect(defineFunctions({ open: () => ({}) }).serve({ port: served.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});

test('the functions themselves are at hand, and secrets are not printed with what is made of them', () => {
  const secrets = [`whsec_${Buffer.alloc(32, 7).toString('base64')}`];
  const set = { open: () => ({}), secrets };
  const functions = defineFunctions(set);
  expect(functions.set).toBe(set);
  expect(inspect(functions, { depth: null })).not.toContain(secrets[0]);
});
