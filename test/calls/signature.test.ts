// Signatures of calls: the specification's own example, its library as a judge, and what functions refuse.
import { createHmac } from 'node:crypto';
import { defineFunctions } from '@baton/functions';
import { expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { Verifier } from '../../matchmaker-functions/src/signature.ts';
import { Signer, signingSecret } from '../../server/src/calls/index.ts';

const NEWEST = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OLD = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const bytes = (text: string) => new TextEncoder().encode(text);
const seconds = () => Math.floor(Date.now() / 1_000);
const signed = (secrets: string[], id: string, timestamp: number, body: string | Uint8Array) => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': new Signer(secrets).sign(id, timestamp, body),
});
const lookUp = (headers: Record<string, string>) => (name: string) => headers[name];

const vector = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: 1614265330,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

test('the example of the specification', () => {
  const headers = signed([NEWEST], vector.id, vector.timestamp, vector.body);
  expect(headers).toEqual({
    'webhook-id': vector.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': vector.signature,
  });
  new Verifier([NEWEST]).check(lookUp(headers), bytes(vector.body), vector.timestamp);
});

test('the library of the specification takes what is signed here, and what it signs is taken', () => {
  const body = '{"name":"Zoë \u{1F600}"}';
  const headers = signed([NEWEST, OLD], 'call-1', seconds(), body);
  for (const secret of [NEWEST, OLD])
    expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
  const theirs = {
    'webhook-id': 'call-2',
    'webhook-timestamp': String(seconds()),
    'webhook-signature': new Webhook(OLD).sign('call-2', new Date(), body),
  };
  new Verifier([NEWEST, OLD]).check(lookUp(theirs), bytes(body));
});

test('bytes that are no text are signed as they are', () => {
  const body = Uint8Array.of(0, 255, 128, 10, 254);
  const headers = signed([OLD], 'call-1', seconds(), body);
  new Verifier([OLD]).check(lookUp(headers), body);
  const other = Uint8Array.of(0, 255, 129, 10, 254);
  expect(() => new Verifier([OLD]).check(lookUp(headers), other)).toThrow('does not match');
});

test.each([
  '',
  'whsec_',
  'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaL%Sw',
  `whsec_${Buffer.alloc(23).toString('base64')}`,
  `whsec_${Buffer.alloc(65).toString('base64')}`,
])('%j is no secret, and is not repeated', (secret) => {
  const { error } = signingSecret.safeParse(secret);
  expect(error?.issues.map((issue) => issue.message)).toEqual([
    'expected "whsec_" and the base64 of 24 to 64 random bytes',
  ]);
});

test('secrets of functions are checked when they are defined', () => {
  const open = () => ({});
  expect(() => defineFunctions({ open, secrets: [] })).toThrow('secrets is empty');
  expect(() => defineFunctions({ open, secrets: [OLD, 'whsec_c2hvcnQ='] })).toThrow(
    'secrets[1] is not "whsec_"',
  );
});

test.each([24, 64])('%i bytes are one', (length) => {
  expect(signingSecret.safeParse(`whsec_${Buffer.alloc(length).toString('base64')}`).success).toBe(true);
});

function functions(secrets = [NEWEST]) {
  const opened: string[] = [];
  const set = defineFunctions({ open: ({ id }) => void opened.push(id), secrets });
  const event = { 'ce-type': 'baton.socket.open', 'ce-subject': 's', 'ce-playerid': 'p', 'ce-id': 'c' };
  const call = async (signed: Record<string, string>, body = '{}') => {
    const header = lookUp({ ...event, ...signed });
    const { status, body: text } = await set.handle({ method: 'POST', header, body: bytes(body) });
    return `${status} ${status === 200 ? '' : JSON.parse(String(text)).detail}`;
  };
  return { opened, call };
}

test('a signed call runs the function, once; a later attempt at the same call runs it again', async () => {
  const { opened, call } = functions();
  const now = seconds();
  const secrets = [OLD, NEWEST];
  const first = signed(secrets, 'c', now, '{}');
  expect(await call(first)).toBe('200 ');
  expect(await call(first)).toBe('401 This call was made before.');
  const second = signed(secrets, 'c', now + 1, '{}');
  expect(await call(second)).toBe('200 ');
  expect(await call(first)).toBe('401 This call was made before.');
  expect(await call(second)).toBe('401 This call was made before.');
  expect(opened).toEqual(['c', 'c']);
});

test('what is not signed, by somebody else, too old or changed is answered with 401 and the reason', async () => {
  const { opened, call } = functions();
  const secrets = [NEWEST];
  const good = signed(secrets, 'c', seconds(), '{}');
  const { 'webhook-id': _, ...anonymous } = good;
  expect(await call({})).toBe('401 The call is not signed: header webhook-id is missing.');
  expect(await call(anonymous)).toBe('401 The call is not signed: header webhook-id is missing.');
  const wrong = '401 The signature does not match; is the secret that of the service?';
  expect(await call(good, '{} ')).toBe(wrong);
  expect(await call({ ...good, 'webhook-id': 'd' })).toBe(wrong);
  expect(await call({ ...good, 'webhook-timestamp': String(seconds() - 1) })).toBe(wrong);
  expect(await call({ ...good, 'webhook-signature': 'v1, v1,xyz v2,abc' })).toBe(wrong);
  expect(await call(signed([OLD], 'c', seconds(), '{}'))).toBe(wrong);
  const late = '401 The call was signed more than 300 seconds from now; are the clocks right?';
  expect(await call(signed(secrets, 'c', seconds() - 310, '{}'))).toBe(late);
  expect(await call(signed(secrets, 'c', seconds() + 310, '{}'))).toBe(late);
  expect(await call(signed(secrets, 'a.b', seconds(), '{}'))).toBe('401 Header webhook-id is not an id.');
  expect(opened).toEqual([]);
  expect(await call(good)).toBe('200 ');
});

test('calls are remembered for as long as they would be taken, and no longer', () => {
  const verifier = new Verifier([NEWEST]);
  const secrets = [NEWEST];
  const at = (id: string, timestamp: number, now: number) =>
    verifier.check(lookUp(signed(secrets, id, timestamp, '')), bytes(''), now);
  at('a', 1_000, 1_000);
  at('b', 1_290, 1_000);
  expect(() => at('a', 1_000, 1_300)).toThrow('made before');
  at('c', 1_301, 1_301);
  expect(() => at('b', 1_290, 1_590)).toThrow('made before');
});

test('the same as the HMAC of Node, for keys and bodies of every length', () => {
  for (const length of [24, 31, 32, 63, 64]) {
    const key = Buffer.from(Array.from({ length }, (_, i) => (i * 37) & 0xff));
    const signer = new Signer([`whsec_${key.toString('base64')}`]);
    for (const size of [0, 1, 55, 56, 64, 1_000, 70_000]) {
      const body = Buffer.alloc(size, size & 0xff);
      const hmac = createHmac('sha256', key).update('id.17.').update(body).digest('base64');
      expect(signer.sign('id', 17, body)).toBe(`v1,${hmac}`);
      expect(signer.sign('id', 17, body)).toBe(`v1,${hmac}`);
    }
  }
});
