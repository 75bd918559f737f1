import { LocalPresence } from '@colyseus/core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { AuditLog } from '../../server/src/control/index.ts';
import { openApiDocument } from '../../server/src/control/openapi.ts';
import { operation } from '../../server/src/control/operation.ts';
import { catalogue } from '../../server/src/errors.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { closeAll, serve } from './support.ts';

afterEach(closeAll);

const everything = () => serve({ audit: new AuditLog(new LocalPresence(), silentLog) });

async function documentOf() {
  const api = await everything();
  const { status, body } = await api.send('GET', '/v1/openapi.json', { headers: { authorization: '' } });
  expect(status).toBe(200);
  return { api, document: body };
}

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1, and open to all', async () => {
    const { document } = await documentOf();
    expect(document.openapi).toBe('3.1.0');
    const { valid, errors } = await new Validator().validate(document);
    expect([valid, errors]).toEqual([true, undefined]);
  });

  test('has every operation, with its scope and with errors of the catalogue', async () => {
    const { api, document } = await documentOf();
    const listed = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(listed.sort()).toEqual(api.operations.map(({ method, path }) => `${method} ${path}`).sort());
    for (const { method, path, scope, errors } of api.operations) {
      const { responses, description, security } = document.paths[path][method.toLowerCase()];
      if (scope === 'open') expect(security).toEqual([]);
      else expect(description).toContain(`\`${scope}\``);
      for (const code of errors) {
        const { status } = catalogue.get(code)!;
        expect([code, responses[status].description]).toEqual([code, expect.stringContaining(`\`${code}\``)]);
      }
    }
  });

  test('describes what requests are checked with', async () => {
    const { document } = await documentOf();
    const { parameters, requestBody } = document.paths['/v1/hosts/{id}/drain'].post;
    expect(requestBody.content['application/json'].schema).toMatchObject({
      properties: { deadlineMs: { type: 'integer', minimum: 0, maximum: 3_600_000 } },
      additionalProperties: false,
    });
    expect(requestBody.required).toBe(false);
    expect(parameters).toContainEqual(
      expect.objectContaining({
        name: 'id',
        in: 'path',
        required: true,
        schema: { type: 'string', minLength: 1, maxLength: 64 },
      }),
    );
    expect(document.paths['/v1/rooms/{id}/migrate'].post.requestBody.required).toBe(true);
    expect(document.paths['/v1/sockets'].get.parameters.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['limit', 'after', 'mapping']),
    );
    expect(document.components.schemas).toMatchObject({ Host: {}, Room: {}, Socket: {}, Problem: {} });
  });

  test('says what every request may bring along, and hear', async () => {
    const { api, document } = await documentOf();
    for (const { method, path, scope } of api.operations) {
      if (scope === 'open') continue;
      const { parameters, responses } = document.paths[path][method.toLowerCase()];
      const headers = parameters.flatMap((one: any) => (one.in === 'header' ? [one.name] : []));
      const write = method !== 'GET';
      expect([path, headers]).toEqual([path, ['Baton-Tenant', ...(write ? ['Idempotency-Key'] : [])]]);
      expect(responses[429].description).toContain('`BATON_RATE_LIMITED`');
      expect(responses[429].headers).toHaveProperty('Retry-After');
      if (!write) continue;
      expect(responses[409].description).toMatch(
        /`BATON_IDEMPOTENCY_IN_PROGRESS`.*`BATON_IDEMPOTENCY_NOT_KEPT`/,
      );
      expect(responses[409].headers).toHaveProperty('Retry-After');
      expect(responses[422].description).toContain('`BATON_IDEMPOTENCY_CONFLICT`');
    }
  });

  test('takes one entry of a mapping’s `receive`, or several, as the service does', async () => {
    const { document } = await documentOf();
    const { receive, open } = document.components.schemas.Mapping.properties;
    const [entry, list] = receive.anyOf;
    expect(entry.required).toEqual(['url']);
    expect(list).toMatchObject({ type: 'array', items: entry, maxItems: 16 });
    expect(Object.keys(entry.properties)).toEqual(expect.arrayContaining(Object.keys(open.properties)));
  });

  test('is not made of an operation with an error that is not in the catalogue, or of two with one name', () => {
    const one = operation({
      id: 'one',
      method: 'GET',
      path: '/v1/one',
      summary: 'One',
      tag: 'one',
      scope: 'open',
      errors: [],
      run: async () => {},
    });
    expect(() => openApiDocument([{ ...one, errors: ['BATON_NO_SUCH'] }])).toThrow('BATON_NO_SUCH');
    expect(() => openApiDocument([one, { ...one, path: '/v1/two' }])).toThrow(
      'two operations are called one',
    );
  });
});

describe('the page at /v1/docs/', () => {
  test('is there without a key, and may load nothing from elsewhere', async () => {
    const api = await everything();
    const none = { headers: { authorization: '' } };
    const page = await api.send('GET', '/v1/docs/', none);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = page.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(links).toHaveLength(3);
    for (const link of links) {
      expect(link).not.toMatch(/^\/|:/);
      expect([link, (await api.send('GET', `/v1/docs/${link}`, none)).status]).toEqual([link, 200]);
    }
    expect((await api.send('GET', '/v1/docs', none)).headers.get('location')).toBe('/v1/docs/');
    expect((await api.send('GET', '/v1/docs/package.json', none)).status).toBe(401);
  });
});
