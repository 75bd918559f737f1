import { expect, test } from '@jest/globals';
import ts from 'typescript';
import { settingsOf } from '../../server/src/transport/options.ts';
import { codeIn, read, rowsOf } from './markdown.ts';

const rows = rowsOf('docs/transport.md', 'Options');

test('the table has the options of BatonTransport, in their order', () => {
  const file = ts.createSourceFile(
    'options.ts',
    read('server/src/transport/options.ts'),
    ts.ScriptTarget.Latest,
  );
  const options = file.statements.find(
    (node): node is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(node) && node.name.text === 'BatonTransportOptions',
  )!;
  const names = options.members.map((member) => (member.name as ts.Identifier).text);
  expect(names.length).toBeGreaterThan(10);
  expect(rows.map(([name]) => codeIn(name))).toEqual(names);
});

test('defaults are those the transport has', () => {
  const defaults = Object.entries(settingsOf({})).map(([name, value]) => [name, String(value)]);
  const listed = rows.map(([name, value]) => [codeIn(name)!, (codeIn(value) ?? value!).replaceAll("'", '')]);
  expect(Object.fromEntries(listed)).toMatchObject(Object.fromEntries(defaults));
});
