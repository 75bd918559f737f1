import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { answers, Bench, bundle, call } from './support.ts';

let bench: Bench;
let endless: Promise<unknown>;
beforeAll(async () => {
  bench = await Bench.start();
  // takes its time, while the other tests run
  endless = failureOf(
    bench.runner.deploy('t', 'endless', bundle('for (;;); export default { fetch() {} };')),
  );
});
afterAll(() => bench.stop());

const ask = async (tenant: string, name: string, at?: string) =>
  call(await bench.runner.socket(tenant, name), at);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );
const linesOf = async (tenant: string, name: string) =>
  (await bench.runner.logs(tenant, name, 0, 100, 0)).lines.map(({ level, text }) => `${level}: ${text}`);
const pidOf = async (tenant: string, name: string) => (await bench.runner.show(tenant, name)).pid;

/** A function is called until it runs again. */
async function back(tenant: string, name: string): Promise<void> {
  await until(async () => (await failureOf(ask(tenant, name, '/'))) === undefined, `${name} to run again`);
}

describe('deploying', () => {
  test('a bundle that runs becomes the current version, and the next one takes over', async () => {
    const first = await bench.runner.deploy('t', 'greet', bundle(answers('"one"')));
    expect(first).toMatchObject({ name: 'greet', version: 1, state: 'running' });
    expect(await ask('t', 'greet')).toEqual({ status: 200, text: 'one' });
    const before = await bench.runner.socket('t', 'greet');
    await bench.runner.deploy('t', 'greet', bundle(answers('"two"')));
    expect(await ask('t', 'greet')).toEqual({ status: 200, text: 'two' });
    // hosts that have not heard yet
    expect(await call(before)).toEqual({ status: 200, text: 'one' });
  });

  test('one that does not start changes nothing and says where it is wrong', async () => {
    const broken: [string, object][] = [
      [
        'const a = 1;\nlet b = ;\nexport default {};',
        { line: 2, column: 9, reason: expect.stringMatching(/^SyntaxError: .* at 2:9 of the bundle$/) },
      ],
      ['export default {};', { reason: expect.stringMatching(/no fetch\(\)/) }],
      [
        'export const fetch = 1;',
        { reason: expect.stringMatching(/bundle does not provide an export named 'default'/) },
      ],
      [
        'export default {\n fetch() {} };\nthrow new Error("not today");',
        { line: 3, reason: expect.stringMatching(/not today/) },
      ],
      [
        'import "./other.mjs"; export default { fetch() {} };',
        { reason: expect.stringMatching(/No such module/) },
      ],
    ];
    const failures = await Promise.all(
      broken.map(([code], i) => failureOf(bench.runner.deploy('t', `broken${i}`, bundle(code)))),
    );
    expect(failures).toMatchObject(
      broken.map(([, details]) => ({ code: 'BATON_FUNCTION_INVALID', details })),
    );
    await expect(bench.runner.deploy('t', 'greet', bundle('oops('))).rejects.toThrow('SyntaxError');
    expect(await ask('t', 'greet')).toEqual({ status: 200, text: 'two' });
    await expect(bench.runner.socket('t', 'broken0')).rejects.toMatchObject({
      code: 'BATON_FUNCTION_NOT_FOUND',
    });
    const large = bundle(`${answers('1')}//${'x'.repeat(1024 * 1024)}`);
    await expect(bench.runner.deploy('t', 'large', large)).rejects.toMatchObject({
      code: 'BATON_FUNCTION_TOO_LARGE',
    });
  });

  test('five versions are kept, and an earlier one can be deployed again', async () => {
    for (let i = 1; i <= 6; i++) await bench.runner.deploy('t', 'often', bundle(answers(String(i))));
    const { versions } = await bench.runner.show('t', 'often');
    expect(versions.map(({ version }) => version)).toEqual([6, 5, 4, 3, 2]);
    expect(await bench.runner.rollback('t', 'often')).toMatchObject({
      version: 7,
      sha256: versions[1]!.sha256,
    });
    expect(await ask('t', 'often')).toEqual({ status: 200, text: '5' });
    expect(await bench.runner.rollback('t', 'often', 4)).toMatchObject({ version: 8 });
    expect(await ask('t', 'often')).toEqual({ status: 200, text: '4' });
    await expect(bench.runner.rollback('t', 'often', 1)).rejects.toMatchObject({
      code: 'BATON_FUNCTION_NOT_FOUND',
    });
  });

  test('a runner of another machine follows, and a deleted function is gone everywhere', async () => {
    const other = await bench.another();
    await bench.runner.deploy('t', 'both', bundle(answers('1')));
    expect(await call(await other.socket('t', 'both'))).toMatchObject({ text: '1' });
    await bench.runner.deploy('t', 'both', bundle(answers('2')));
    await until(
      async () => (await call(await other.socket('t', 'both'))).text === '2',
      'the other runner to follow',
    );
    await bench.runner.remove('t', 'both');
    await until(
      async () => (await failureOf(other.socket('t', 'both')))?.code === 'BATON_FUNCTION_NOT_FOUND',
      'it to be gone there',
    );
    await expect(bench.runner.socket('t', 'both')).rejects.toMatchObject({
      code: 'BATON_FUNCTION_NOT_FOUND',
    });
  });

  test('another tenant has functions of its own', async () => {
    await bench.runner.deploy('mine', 'same', bundle(answers('"mine"')));
    await expect(bench.runner.show('theirs', 'same')).rejects.toMatchObject({
      code: 'BATON_FUNCTION_NOT_FOUND',
    });
    await bench.runner.deploy('theirs', 'same', bundle(answers('"theirs"')));
    expect([await ask('mine', 'same'), await ask('theirs', 'same')]).toMatchObject([
      { text: 'mine' },
      { text: 'theirs' },
    ]);
    expect((await bench.runner.list('mine')).map(({ name }) => name)).toEqual(['same']);
  });
});

describe('limits', () => {
  test('a module that does not come to its end is not deployed', async () => {
    const reason = 'its module was not loaded within 5000 ms';
    expect(await endless).toMatchObject({ code: 'BATON_FUNCTION_INVALID', details: { reason } });
  });

  test('an endless loop ends its process and is reported; others never notice', async () => {
    await bench.runner.deploy(
      't',
      'loop',
      bundle(answers('url.pathname === "/loop" ? (() => { for (;;); })() : 1')),
    );
    await bench.runner.deploy('t', 'calm', bundle(answers('1')));
    const [pid, calm] = [await pidOf('t', 'loop'), await pidOf('t', 'calm')];
    const stuck = failureOf(ask('t', 'loop', '/loop'));
    let ended = false;
    void stuck.then(() => {
      ended = true;
    });
    let answered = 0;
    while (!ended) {
      await call(await bench.runner.socket('t', 'calm'));
      answered++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await stuck).toMatchObject({ code: 'UND_ERR_SOCKET' });
    expect(answered).toBeGreaterThan(10);
    await back('t', 'loop');
    expect(await linesOf('t', 'loop')).toContain(
      'error: The function ended: it ran for more than 2000 ms without giving way.',
    );
    expect(await pidOf('t', 'loop')).not.toBe(pid);
    expect(await pidOf('t', 'calm')).toBe(calm);
  });

  test.each([
    ['heap', 'new Array(1e5).fill(Math.random())', /its heap grew over 128 MiB/],
    [
      'buffers',
      'await scheduler.wait(20) ?? new Uint8Array(4e6).fill(1)',
      /it held more than 384 MiB of memory/,
    ],
  ])('one that fills its %s is ended and can be called again', async (name, more, reason) => {
    const hog = `(async () => { if (url.pathname === '/fill') for (;;) kept.push(${more}); return kept.length; })()`;
    await bench.runner.deploy('t', name, bundle(answers(hog, 'const kept = [];')));
    expect(await failureOf(ask('t', name, '/fill'))).toMatchObject({ code: 'UND_ERR_SOCKET' });
    await back('t', name);
    expect((await linesOf('t', name)).join()).toMatch(reason);
    expect(await ask('t', name)).toEqual({ status: 200, text: '0' });
  });

  test('what it allocates between two looks is bounded by the kernel', async () => {
    const all = '(() => { for (;;) kept.push(new Uint8Array(4e6).fill(1)); })()';
    const peak = answers(`url.pathname === "/all" ? ${all} : 1`, 'const kept = [];');
    await bench.runner.deploy('t', 'greedy', bundle(peak));
    const pid = await pidOf('t', 'greedy');
    const limit = /Max data size\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8'))![1];
    expect(Number(limit)).toBe(1_280 * 2 ** 20);
    const answer = await ask('t', 'greedy', '/all').catch(() => undefined);
    if (answer !== undefined) expect(answer.status).toBe(500);
    await until(
      async () => (await linesOf('t', 'greedy')).some((line) => /allocation failed|MiB of memory/.test(line)),
      'a report',
    );
  });

  test('one that was killed runs again with the next call, after a while when it was the second time', async () => {
    await bench.runner.deploy('t', 'mortal', bundle(answers('1')));
    for (let i = 0; i < 2; i++) {
      const pid = (await pidOf('t', 'mortal'))!;
      process.kill(pid, 'SIGKILL');
      await until(async () => (await pidOf('t', 'mortal')) === undefined, 'its end to be noticed');
      expect(await failureOf(bench.runner.socket('t', 'mortal'))).toMatchObject({
        code: 'BATON_FUNCTION_DOWN',
        message: expect.stringMatching(/it was ended by SIGKILL; it may start again in \d+ ms/),
      });
      await back('t', 'mortal');
    }
  });
});

describe('network', () => {
  const heard: string[] = [];
  const server = http.createServer((request, response) => {
    heard.push(request.url!);
    if (request.url === '/away') response.writeHead(302, { location: elsewhere }).end();
    else response.end('from outside');
  });
  const other = http.createServer((_request, response) => response.end('from elsewhere'));
  let allowed: string;
  let elsewhere: string;
  beforeAll(async () => {
    for (const one of [server, other])
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    [allowed, elsewhere] = [server, other].map(
      (one) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`,
    ) as [string, string];
    const reach = `url.pathname === '/tcp' ? tcp(url.searchParams.get('to')) : fetch(url.searchParams.get('to'))`;
    const tcp = `import { connect } from 'cloudflare:sockets';
async function tcp(to) {
  const socket = connect(new URL(to).host);
  await socket.writable.getWriter().write(new TextEncoder().encode('GET /tcp HTTP/1.0\\r\\n\\r\\n'));
  const { value } = await socket.readable.getReader().read();
  return new TextDecoder().decode(value);
}`;
    await bench.runner.deploy('t', 'closed', bundle(answers(reach, tcp)));
    await bench.runner.deploy('t', 'open', bundle(answers(reach, tcp), { allowNet: [allowed] }));
  });
  afterAll(() => {
    server.close();
    other.close();
  });
  const reach = (name: string, to: string, how = '/') =>
    ask('t', name, `${how}?to=${encodeURIComponent(to)}`);

  test('a function reaches what it may, and nothing else', async () => {
    expect(await reach('open', `${allowed}/fine`)).toEqual({ status: 200, text: 'from outside' });
    for (const [name, to, how] of [
      ['closed', `${allowed}/closed`],
      ['closed', `${allowed}/closed`, '/tcp'],
      ['open', `${elsewhere}/other`],
      ['open', `${allowed}/away`],
      ['open', `${allowed}/raw`, '/tcp'],
      ['open', 'http://169.254.169.254/latest/meta-data'],
    ] as const)
      expect({ name, to, answer: await reach(name, to, how) }).toMatchObject({ answer: { status: 500 } });
    expect(heard).toEqual(['/fine', '/away']);
    expect((await linesOf('t', 'open')).join()).toContain(`this function may not connect to ${elsewhere}`);
  });

  test('an allowed name that leads to this machine is refused unless the range is allowed', async () => {
    const inside = await bench.another(undefined, []);
    const to = allowed.replace('127.0.0.1', 'localhost');
    await inside.deploy('t', 'inward', bundle(answers(`fetch('${to}/inward')`), { allowNet: [to] }));
    expect(await call(await inside.socket('t', 'inward'))).toMatchObject({ status: 500 });
    expect(heard).not.toContain('/inward');
  });
});

describe('what surrounds it', () => {
  test('it has neither files nor variables of the service, and its configuration is gone once it runs', async () => {
    const look = `(async () => {
      const fs = await import('node:fs');
      const read = (file) => { try { return fs.readFileSync(file, 'utf8'); } catch (error) { return 'no'; } };
      return JSON.stringify({ passwd: read('/etc/passwd'), environ: read('/proc/self/environ'), env: process.env });
    })()`;
    await bench.runner.deploy('t', 'look', bundle(answers(look)));
    expect(JSON.parse((await ask('t', 'look')).text)).toEqual({ passwd: 'no', environ: 'no', env: {} });
    expect(fs.readdirSync(`${bench.dir}/fn0`).filter((file) => file.endsWith('.capnp'))).toEqual([]);
    const pid = await pidOf('t', 'look');
    const environ = fs
      .readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((entry) => entry.split('=')[0]);
    expect(environ.filter((name) => !['', 'PWD', 'OLDPWD', '_', 'SHLVL'].includes(name!))).toEqual([]);
  });

  test('what it writes is in its log, and what it throws', async () => {
    const code = answers(
      `(console.log('hello', { a: 1 }), console.warn('careful'), console.error('bad'), Promise.reject(new Error('thrown')))`,
    );
    await bench.runner.deploy('t', 'talk', bundle(code));
    const { lines: before } = await bench.runner.logs('t', 'talk', 0, 100, 0);
    const next = bench.runner.logs('t', 'talk', before.at(-1)?.number ?? 0, 100, 10_000);
    expect(await ask('t', 'talk')).toMatchObject({ status: 500 });
    expect((await next).lines.length).toBeGreaterThan(0);
    await until(async () => (await linesOf('t', 'talk')).length === 4, 'all lines');
    expect(await linesOf('t', 'talk')).toEqual([
      'info: hello { a: 1 }',
      'warn: careful',
      'error: bad',
      expect.stringMatching(/^error: Error: thrown\n.*function\.mjs/),
    ]);
    await expect(bench.runner.logs('other', 'talk', 0, 1, 0)).rejects.toMatchObject({
      code: 'BATON_FUNCTION_NOT_FOUND',
    });
  });
  test('one that writes a lot has to wait, and goes on', async () => {
    const line = 'x'.repeat(9_000);
    const flood = `(async () => { for (let i = 0; i < 300; i++) console.log(i, '${line}'); return 'done'; })()`;
    await bench.runner.deploy('t', 'flood', bundle(answers(flood)));
    const pid = await pidOf('t', 'flood');
    const from = performance.now();
    expect(await ask('t', 'flood')).toEqual({ status: 200, text: 'done' });
    const slowed = performance.now() - from;
    await until(
      async () => (await linesOf('t', 'flood')).at(-1)?.startsWith('info: 299 x') === true,
      'the last line',
    );
    // 2.7 MB at 1 MiB a second
    expect(slowed).toBeGreaterThan(900);
    expect((await linesOf('t', 'flood')).at(-1)).toMatch(/… \(9004 characters\)$/);
    expect(await pidOf('t', 'flood')).toBe(pid);
  });
});
