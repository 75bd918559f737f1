import { defineFunctions, firstComePairs, type Served } from '@baton/functions';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

let pairs: ReturnType<typeof firstComePairs>;
let served: Served;

beforeEach(async () => {
  pairs = firstComePairs();
  served = await defineFunctions(pairs).serve({ port: 0 });
});
afterEach(() => served.close());

/** Calls the function the way the service does; the answer's JSON, or the status when there is none. */
async function call(kind: string, socketId: string, playerId: string, mapping = 'duel'): Promise<unknown> {
  const response = await fetch(served.url, {
    method: 'POST',
    headers: {
      'ce-specversion': '1.0',
      'ce-type': `baton.socket.${kind}`,
      'ce-id': `${kind}-${socketId}`,
      'ce-source': '/sockets',
      'ce-subject': socketId,
      'ce-playerid': playerId,
      'ce-mapping': mapping,
    },
  });
  return response.status === 200 ? response.json() : response.status;
}

describe('first come, first paired', () => {
  test('the first of two waits, the second gets the first as its peer', async () => {
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(pairs.waiting).toBe(1);
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(pairs.waiting).toBe(0);
    expect(await call('open', 's3', 'cyd')).toEqual({});
  });

  test('whoever waits longest is next', async () => {
    await call('open', 's1', 'ann');
    await call('open', 's2', 'ann');
    expect(await call('open', 's3', 'bob')).toEqual({ peer: 's1' });
    expect(await call('open', 's4', 'cyd')).toEqual({ peer: 's2' });
  });

  test('a player who opens twice never meets himself', async () => {
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(await call('open', 's2', 'ann')).toEqual({});
    expect(pairs.waiting).toBe(2);
  });

  test('a call that is repeated gets the answer of the first time', async () => {
    await call('open', 's1', 'ann');
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(pairs.waiting).toBe(0);
  });

  test('a socket that closed while waiting is not offered', async () => {
    await call('open', 's1', 'ann');
    expect(await call('close', 's1', 'ann')).toBe(204);
    expect(await call('open', 's2', 'bob')).toEqual({});
    expect(await call('close', 'never-opened', 'eve')).toBe(204);
  });

  test('players of different mappings do not meet', async () => {
    await call('open', 's1', 'ann', 'duel');
    expect(await call('open', 's2', 'bob', 'chess')).toEqual({});
  });

  test('memory is bounded: past the capacity the oldest socket is forgotten', async () => {
    const small = firstComePairs({ capacity: 2 });
    const open = (socketId: string, playerId: string) =>
      small.open({
        kind: 'open',
        id: '',
        socketId,
        playerId,
        tenant: '',
        mapping: 'duel',
        mappingVersion: 0,
        epoch: 0,
        sequence: 0,
        attributes: {},
        data: undefined,
      });
    open('s1', 'ann');
    open('s2', 'ann');
    open('s3', 'ann');
    expect(small.waiting).toBe(2);
    expect(open('s4', 'bob')).toEqual({ peer: 's2' });
  });
});
