import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from '@jest/globals';
import { pages, proseOf, root } from './markdown.ts';

/** The anchors GitHub gives to headings. */
function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function brokenLinks(page: string): string[] {
  const targets = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#') as [string, string?];
      const file = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchorsOf(file).includes(anchor);
    })
    .map((target) => `${page}: ${target}`);
}

test('every link between pages and to files leads somewhere', () => {
  expect(pages()).toEqual(expect.arrayContaining(['README.md', 'docs/architecture.md', 'CONTRIBUTING.md']));
  expect(pages().flatMap(brokenLinks)).toEqual([]);
});

test('every page can be reached from the README', () => {
  const reached = new Set<string>();
  const visit = (page: string) => {
    if (reached.has(page) || !page.endsWith('.md')) return;
    reached.add(page);
    for (const [, target] of proseOf(page).matchAll(/\]\(([^)\s#:]+)/g))
      visit(normalize(join(dirname(page), target!)));
  };
  visit('README.md');
  expect(pages().filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([]);
});
