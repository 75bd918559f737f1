// Which endpoint gets a message: its content decides.
import { expect, test } from '@jest/globals';
import { mappingSchema } from '../../server/src/mappings/index.ts';
import { pick, routesOf } from '../../server/src/sockets/receive/routes.ts';

const open = { url: 'https://studio.example/open' };
const url = (name: string) => `https://studio.example/${name}`;

function routes(...receive: { to: string; when: unknown[] }[]) {
  const entries = receive.map(({ to, when }) => ({ url: url(to), when }));
  return routesOf(mappingSchema.parse({ open, forward: 'endpoint', receive: entries }).receive!);
}
const to = (all: ReturnType<typeof routes>, message: string | Uint8Array) =>
  all[pick(all, Buffer.from(message as string))]?.entry.url.split('/').at(-1);

test('the first entry that picks a message gets it; one that picks none in particular gets the rest', () => {
  const all = routes(
    { to: 'moves', when: [{ match: { '$.type': 'move' } }] },
    { to: 'chat', when: [{ match: { '$.type': 'chat', '$.to.all': true } }, { prefixHex: '01fF' }] },
    { to: 'rest', when: [] },
  );
  expect(to(all, '{"type":"move","x":1}')).toBe('moves');
  expect(to(all, '{"type":"chat","to":{"all":true}}')).toBe('chat');
  expect(to(all, '{"type":"chat","to":{"all":1}}')).toBe('rest');
  expect(to(all, Uint8Array.of(1, 255, 3))).toBe('chat');
  expect(to(all, Uint8Array.of(1))).toBe('rest');
  expect(to(all, '{"type":')).toBe('rest');
});

test('a message that no entry picks goes nowhere', () => {
  const all = routes({ to: 'moves', when: [{ match: { '$.type': 'move' } }] });
  expect(to(all, '{"type":"chat"}')).toBeUndefined();
  expect(to(all, '')).toBeUndefined();
});

test.each<[string, unknown, string, boolean]>([
  ['$.n', 1, '{"n":1.0}', true],
  ['$.n', 1, '{"n":"1"}', false],
  ['$.n', null, '{"n":null}', true],
  ['$.n', null, '{}', false],
  ['$.n', false, '{"n":0}', false],
  ['$.a.b-c', 'x', '{"a":{"b-c":"x"}}', true],
  ['$.length', 2, '[1,2]', true],
  ['$.length', 2, '"ab"', false],
  ['$.constructor.name', 'Object', '{}', false],
  ['$.__proto__.x', 1, '{"__proto__":{"x":1}}', true],
  ['$.n', 'é', '{"n":"é"}', true],
])('%s equals %j in %s: %s', (path, value, message, picked) => {
  const all = routes({ to: 'it', when: [{ match: { [path]: value } }] });
  expect(to(all, message) === 'it').toBe(picked);
});

test('criteria of one entry: the lowest number counts, delimiters add up', () => {
  const [route] = routes({
    to: 'it',
    when: [
      { bytes: 20 },
      { bytes: 10 },
      { every: '1s' },
      { every: 300 },
      { delimiter: '\n' },
      { delimiterHex: '0d0A' },
      { prefixHex: '00' },
    ],
  });
  expect(route!.criteria).toEqual({
    bytes: 10,
    everyMs: 300,
    delimiters: [Uint8Array.of(10), Uint8Array.of(13, 10)],
    maxBuffer: 65_536,
  });
  expect(routes({ to: 'it', when: [{ prefixHex: '00' }] })[0]!.criteria).toBeUndefined();
});

test.each<[string, object, string]>([
  ['an unknown criterion', { when: [{ byts: 1 }] }, 'receive.0.when.0: Unrecognized key: "byts"'],
  ['two in one item', { when: [{ bytes: 1, messages: 1 }] }, 'receive.0.when.0: expected exactly one'],
  ['an empty delimiter', { when: [{ delimiter: '' }] }, 'receive.0.when.0.delimiter: '],
  ['half a byte', { when: [{ delimiterHex: 'abc' }] }, 'receive.0.when.0.delimiterHex: expected pairs'],
  ['no duration', { when: [{ every: '1 day' }] }, 'receive.0.when.0.every: expected a duration'],
  ['no path', { when: [{ match: { type: 'x' } }] }, 'receive.0.when.0.match.type: '],
  ['nothing to match', { when: [{ match: {} }] }, 'receive.0.when.0.match: is empty'],
  ['more than may wait', { when: [{ bytes: 9 }], maxBuffer: 8 }, 'receive.0: when asks for more bytes'],
  [
    'no endpoint',
    { url: 'ftp://x.example/' },
    'receive.0.url: expected an http or https URL, or function:NAME',
  ],
])('a mapping with %s is refused, and the field is named', (_what, receive, message) => {
  const mapping = { open, forward: 'endpoint', receive: { url: url('x'), ...receive } };
  const { error } = mappingSchema.safeParse(mapping);
  expect(error!.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n')).toContain(
    message,
  );
});

test('where messages go and who gets them have to fit', () => {
  const parsed = (mapping: object) =>
    mappingSchema
      .safeParse({ open, ...mapping })
      .error?.issues.map(({ path, message }) => [path[0], message]);
  expect(parsed({ forward: 'both' })).toEqual([
    ['forward', 'there is no receive endpoint to forward messages to'],
  ]);
  expect(parsed({ receive: open })).toEqual([
    ['forward', 'with "peers" receive is never called: say "endpoint" or "both"'],
  ]);
  expect(parsed({ forward: 'both', receive: open })).toBeUndefined();
});
