import { describe, expect, test } from '@jest/globals';
import { appNotFound } from '../../server/src/errors.ts';
import { createLog, type LogOptions, withoutPassword } from '../../server/src/telemetry/index.ts';

function logInto(options: LogOptions = {}) {
  const lines: string[] = [];
  return {
    lines,
    log: createLog({
      name: 'host',
      format: 'json',
      level: 'info',
      ...options,
      write: (line) => lines.push(line),
    }),
  };
}

describe('a log', () => {
  test('writes one JSON object a line', () => {
    const { lines, log } = logInto({ bindings: { host: 'h1' } });
    log.info({ roomId: 'a' }, 'moved');
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'info',
      name: 'host',
      host: 'h1',
      roomId: 'a',
      msg: 'moved',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  test.each(['json', 'pretty'] as const)('never shows a secret (%s)', (format) => {
    const { lines, log } = logInto({ format });
    log.info({ token: 's3cret' }, 'one');
    log.child({ controlToken: 's3cret' }).info('two');
    log.info(
      {
        request: { headers: { authorization: 's3cret', cookie: 's3cret' } },
        client: { reconnectionToken: 's3cret' },
      },
      'three',
    );
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      expect(line).toContain('[redacted]');
      expect(line).not.toContain('s3cret');
    }
  });

  test('leaves out what is below its level, and takes an unknown level as info', () => {
    const { lines, log } = logInto({ level: 'loud' });
    log.debug('no');
    log.info('yes');
    expect(lines).toHaveLength(1);
  });

  test('for people has one line, and a stack for bugs only', () => {
    const { lines, log } = logInto({ format: 'pretty' });
    log.info({ host: 'h1', rooms: 3, note: 'two words' }, 'host is up');
    log.error({ err: appNotFound({ path: '/app' }) }, 'no start');
    log.error({ err: new TypeError('a bug') }, 'no start');
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}host: host is up host=h1 rooms=3 note="two words"\n$/,
    );
    expect(lines[1]).toMatch(/ error host: no start \(No app at \/app\..*\)\n$/);
    expect(lines[2]).toMatch(/ error host: no start\nTypeError: a bug\n +at /);
  });
});

test.each([
  ['redis://user:pass@h:6379/1', 'redis://h:6379/1'],
  ['redis://h:6379', 'redis://h:6379'],
  ['a secret that is no URL', '(not a URL)'],
])('withoutPassword(%j)', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
