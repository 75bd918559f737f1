// `npm run docs` makes a site of docs/; what the pages say is in them alone, and can be read without it.
import { copyFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { anchorOf } from './anchor.ts';
import { corners, diagrams } from './markdown.ts';
import { fileOf, groups, OUTSIDE } from './pages.ts';
import { RepositoryLinks } from './repository.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const mermaid = createRequire(import.meta.url).resolve('@mermaid-js/tiny');
const repository = new RepositoryLinks(root);

function titleOf(page: string): string {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(root, fileOf(page)), 'utf8'))!;
  return page === 'index' ? 'What it is' : title!;
}

const linkOf = (page: string): string => `/${OUTSIDE[page] ?? (page === 'index' ? '' : page)}`;
const sidebar = groups.map(({ text, pages }) => ({
  text,
  items: pages.map((page) => ({ text: titleOf(page), link: linkOf(page) })),
}));

/** Error codes and names of metrics are words of their own, and so are their parts. */
const tokenize = (text: string): string[] =>
  (text.match(/[\p{L}\p{N}_]+/gu) ?? []).flatMap((word) =>
    word.includes('_') ? [word, ...word.split('_')] : [word],
  );

export default defineConfig({
  title: 'Baton',
  description: 'A multiplayer backend on Colyseus whose live rooms move between processes',
  lang: 'en',
  srcDir: '..',
  srcExclude: ['!(docs)/**/*', 'README.md'],
  rewrites: {
    'docs/:page': ':page',
    ...Object.fromEntries(Object.entries(OUTSIDE).map(([file, page]) => [file, `${page}.md`])),
  },
  outDir: process.env['BATON_DOCS_OUT'] ?? fileURLToPath(new URL('dist', import.meta.url)),
  head: [
    [
      'link',
      {
        rel: 'icon',
        href: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path d='M3 13 13 3' stroke='%233a8dde' stroke-width='3' stroke-linecap='round'/></svg>",
      },
    ],
  ],
  markdown: {
    anchor: { slugify: anchorOf },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (md) => {
      repository.plugin(md);
      diagrams(md);
      corners(md);
    },
  },
  themeConfig: {
    nav: [
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'Command line', link: '/cli' },
      { text: 'Control API', link: '/control-api' },
      { text: 'Errors', link: '/errors' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local', options: { miniSearch: { options: { tokenize } } } },
    footer: { message: 'MIT licensed.' },
  },
  buildEnd: ({ outDir }) => {
    repository.copy(outDir);
    copyFileSync(mermaid, join(outDir, 'assets', 'mermaid.js'));
  },
});
