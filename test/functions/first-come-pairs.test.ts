import { CLOSES, defineFunctions, firstComePairs, type Served, type SocketEvent } from '@baton/functions';
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
    expect(await pairs.pool.size()).toBe(1);
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(await pairs.pool.size()).toBe(0);
    expect(await call('open', 's3', 'cyd')).toEqual({});
  });

  test('a player who taps twice never meets himself, and waits once', async () => {
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(await call('open', 's2', 'ann')).toEqual({});
    expect(await pairs.pool.size()).toBe(1);
    expect(await call('open', 's3', 'bob')).toEqual({ peer: 's2' });
    expect(await call('open', 's4', 'cyd')).toEqual({});
    // the older one is out: nothing but a call for itself could close it
    expect(await call('open', 's1', 'ann')).toEqual({ reject: CLOSES.replaced });
  });

  test('of many who come at the same moment each is in one pair', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `p${i}`);
    const answers = await Promise.all(names.map((name) => call('open', name, name)));
    const pairsOf = answers.flatMap((answer, i) => {
      const { peer } = answer as { peer?: string };
      return peer === undefined ? [] : [[names[i]!, peer]];
    });
    expect(pairsOf).toHaveLength(25);
    expect(new Set(pairsOf.flat()).size).toBe(50);
  });

  test('a call that is repeated gets the answer of the first time', async () => {
    await call('open', 's1', 'ann');
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(await call('open', 's2', 'bob')).toEqual({ peer: 's1' });
    expect(await call('open', 's1', 'ann')).toEqual({});
    expect(await pairs.pool.size()).toBe(0);
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

  test('memory is bounded: past the capacity players are turned away, and those who play do not count', async () => {
    const small = firstComePairs({ capacity: 2 });
    const open = (socketId: string, mapping = 'duel') =>
      small.open({
        ...{ kind: 'open', id: '', socketId, playerId: socketId, tenant: '', mapping, mappingVersion: 0 },
        ...{ epoch: 0, sequence: 0, attributes: {}, data: undefined },
      });
    await open('s1');
    await open('s2', 'chess');
    expect(await open('s3')).toEqual({ reject: CLOSES.full });
    await small.close({ socketId: 's2' } as SocketEvent);
    for (let i = 3; i < 20; i += 2) {
      expect(await open(`s${i}`)).toEqual({ peer: `s${i === 3 ? 1 : i - 1}` });
      expect(await open(`s${i + 1}`)).toEqual({});
    }
  });
});
