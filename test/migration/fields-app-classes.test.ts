import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { topLevelClasses, withClassesRegistered } from '../../server/src/migration/fields/app-classes.ts';

describe('top-level classes of a module', () => {
  test.each([
    ['class A {}\nexport class B extends A {}\nexport default class C {}', ['A', 'B', 'C']],
    ['let D = class extends Schema {};\nD = __decorate([], D);\nconst E = class F {}', ['D', 'E']],
    ['function f() { class Inner {} }\n{ class Block {} }\nfoo(class Arg {})', []],
    ['const s = "class No {}"; // class No {}\n/* class No {} */ const t = `class No {}`;', []],
    ['export default class extends Room {}', []],
    ['const className = 1; const klass = { class: 2 }; subclass = 3', []],
  ])('%j', (source, names) => {
    expect(topLevelClasses(source)).toEqual(names);
    if (names.length === 0) expect(withClassesRegistered(source)).toBeUndefined();
  });
});

describe('an app loaded after registerAppClasses()', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'baton-classes-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('has its classes known by name: TypeScript, JavaScript and CommonJS', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const fields = path.join(root, 'server/src/migration/fields/index.ts');
    await writeFile(
      path.join(dir, 'app.ts'),
      "import { Item } from './item.mjs';\nimport old from './old.cjs';\nenum Side { Left }\nexport class Bullet { private side: Side = Side.Left; item = new Item(); old = old; }\n",
    );
    await writeFile(path.join(dir, 'item.mjs'), 'export class Item {}\n');
    await writeFile(
      path.join(dir, 'old.cjs'),
      'class Old {}\nmodule.exports = { make: () => new Old(), Typed: require("./typed.cts").Typed };\n',
    );
    await writeFile(
      path.join(dir, 'typed.cts'),
      'enum Kind { A }\nclass Typed { private kind: Kind = Kind.A }\nexport = { Typed };\n',
    );
    await writeFile(
      path.join(dir, 'main.ts'),
      `import { ClassRegistry, registerAppClasses } from ${JSON.stringify(fields)};\nregisterAppClasses();\nawait import('./app.ts');\nconst known = new ClassRegistry();\nconsole.log(['Bullet', 'Item', 'Old', 'Typed', 'Nobody'].filter((name) => known.find(name)).join());\nprocess.exit(0);\n`,
    );
    await writeFile(path.join(dir, 'package.json'), '{ "type": "module" }');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['-C', 'baton-source', '--import', 'tsx', path.join(dir, 'main.ts')],
      { cwd: root, timeout: 50_000 },
    );
    expect(stdout.trim()).toBe('Bullet,Item,Old,Typed');
  });
});
