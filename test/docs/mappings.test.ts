import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { mappingSchema } from '../../server/src/mappings/index.ts';
import { amount, codeIn, rowsOf } from './markdown.ts';

const PAGE = 'docs/sockets.md';
const url = 'https://studio.example/';
const plain = mappingSchema.parse({ open: { url } });
const asked = mappingSchema.parse({ open: { url }, forward: 'endpoint', receive: { url } }).receive![0]!;

interface JsonSchema {
  properties: Record<string, JsonSchema & { items: JsonSchema }>;
  required?: string[];
}
const schema = z.toJSONSchema(mappingSchema, { io: 'input' }) as unknown as JsonSchema;
const endpoint = schema.properties['open']!;
const entry = schema.properties['receive']!.items;

/** Whether a cell of the column `default` says this value. */
function says(cell: string, value: unknown): boolean {
  if (value === undefined) return cell === 'none';
  if (value === 0 && cell === 'never') return true;
  if (typeof value === 'number') return amount(cell.split(';')[0]!) === value;
  return codeIn(cell) === String(value);
}

test('the tables of mappings and endpoints have the fields of the schema, with their defaults', () => {
  const rows = rowsOf(PAGE, 'Mappings').map(([name, , value]) => [codeIn(name)!, value!] as const);
  const fields = { ...plain, ...plain.open } as Record<string, unknown>;
  const required = [...schema.required!, ...endpoint.required!];
  expect(rows.map(([name]) => name).sort()).toEqual(
    [...Object.keys(schema.properties), ...Object.keys(endpoint.properties)].sort(),
  );
  const wrong = rows.filter(([name, cell]) =>
    required.includes(name) ? cell !== 'required' : !says(cell, fields[name]),
  );
  expect(wrong).toEqual([]);
});

test('the tables of `receive` have its criteria and its other fields, with their defaults', () => {
  const rows = rowsOf(PAGE, 'What clients say to functions');
  const criteria = rows.flatMap(([name]) => [...name!.matchAll(/\{ (\w+):/g)].map(([, key]) => key!));
  expect(criteria.sort()).toEqual(Object.keys(entry.properties['when']!.items.properties).sort());
  const others = rows.filter(([name]) => !name!.includes('{'));
  expect(others.map(([name]) => codeIn(name)!).sort()).toEqual(
    Object.keys(entry.properties)
      .filter((name) => name !== 'when' && !(name in endpoint.properties))
      .sort(),
  );
  const fields = asked as unknown as Record<string, unknown>;
  const defaults = others.filter(([name]) => fields[codeIn(name)!] !== undefined);
  expect(defaults.length).toBeGreaterThan(2);
  expect(defaults.filter(([name, , cell]) => !says(cell!, fields[codeIn(name)!]))).toEqual([]);
});
