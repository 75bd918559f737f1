// Names of the tests in a file, as Jest puts them together: those of the groups around it, then its own.
import ts from 'typescript';
import { read } from './markdown.ts';

/** The name that is called: `test` of `test(…)`, and of `test.each(…)(…)`. Nothing for one that is left out. */
function calleeOf(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isCallExpression(node)) return calleeOf(node.expression);
  if (ts.isPropertyAccessExpression(node))
    return ['skip', 'todo'].includes(node.name.text) ? undefined : calleeOf(node.expression);
  return undefined;
}

export function testsOf(file: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node, around: string[]): void => {
    let groups = around;
    if (ts.isCallExpression(node) && node.arguments[0] && ts.isStringLiteralLike(node.arguments[0])) {
      const callee = calleeOf(node.expression);
      const named = [...around, node.arguments[0].text];
      if (callee === 'test') names.push(named.join(' '));
      if (callee === 'describe') groups = named;
    }
    ts.forEachChild(node, (child) => visit(child, groups));
  };
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true), []);
  return names;
}
