import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import ts from 'typescript';
import { blocksOf, pages, root } from './markdown.ts';

// Inside the repository, so that packages are found as a reader's editor would; ignored by git and the linter.
const folder = join(root, `docs-${process.pid}.tmp`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Type-checks pieces of code, each as a module of its own, with the repository's settings. */
function errorsIn(pieces: { name: string; text: string }[]): string[] {
  mkdirSync(folder, { recursive: true });
  const files = new Map(
    pieces.map(({ name, text }, i) => {
      const file = join(folder, `${i}.ts`);
      writeFileSync(file, `${text}\nexport {};\n`);
      return [file, name];
    }),
  );
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [...files.keys()] },
    ts.sys,
    root,
  );
  const program = ts.createProgram([...files.keys()], options);
  // What is wrong in the sources themselves is the compiler's run to say.
  const found = [...files.keys()].flatMap((name) => {
    const file = program.getSourceFile(name)!;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  });
  return found.map(({ file, start, messageText }) => {
    const { line } = file!.getLineAndCharacterOfPosition(start ?? 0);
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return `${files.get(file!.fileName)}, line ${line + 1} of the block: ${text}`;
  });
}

test('every TypeScript example of the pages type-checks, and one that does not fit the code is noticed', () => {
  const blocks = pages()
    .flatMap(blocksOf)
    .filter(({ info }) => info === 'ts');
  expect(blocks.length).toBeGreaterThan(5);
  const wrong = "import { BatonTransport } from '@baton/server';\nnew BatonTransport({ maxPayloads: 1 });";
  const pieces = blocks.map(({ page, line, text }) => ({ name: `${page}:${line}`, text }));
  expect(errorsIn([...pieces, { name: 'wrong', text: wrong }])).toEqual([
    expect.stringMatching(/^wrong, line 2 of the block: .*'maxPayloads' does not exist/),
  ]);
}, 180_000);
