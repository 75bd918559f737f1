// Links of the pages as they are in the repository: to pages, they become links of the site; to other files of the
// repository, the site gets a copy to show.
import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';
import { OUTSIDE } from './pages.ts';

/** Where the site keeps copies of the repository's files, as plain text. */
const COPIES = 'repository';

export class RepositoryLinks {
  private readonly root: string;
  private readonly shown = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  /** @param from page that has the link, as a path in the repository; so is what it leads to */
  resolve(from: string, target: string): string {
    if (/^([a-z]+:|#|\/)/.test(target)) return target;
    const [path, anchor] = target.split('#') as [string, string?];
    const file = posix.normalize(posix.join(posix.dirname(from), path));
    return this.place(file, from, target) + (anchor === undefined ? '' : `#${anchor}`);
  }

  private place(file: string, from: string, target: string): string {
    if (file in OUTSIDE) return `/${OUTSIDE[file]}`;
    const page = /^docs\/([\w-]+)\.md$/.exec(file)?.[1];
    if (page !== undefined) return page === 'index' ? '/' : `/${page}`;
    const path = join(this.root, file);
    if (!existsSync(path) || !statSync(path).isFile()) throw new Error(`${from}: ${target} leads nowhere`);
    this.shown.add(file);
    return `/${COPIES}/${file}.txt`;
  }

  /** Copies what was linked to. */
  copy(outDir: string): void {
    for (const file of this.shown) {
      const copy = join(outDir, COPIES, `${file}.txt`);
      mkdirSync(dirname(copy), { recursive: true });
      copyFileSync(join(this.root, file), copy);
    }
  }

  /** Rewrites the links of each page before VitePress looks at them. */
  plugin(md: MarkdownRenderer): void {
    md.core.ruler.push('repository-links', ({ tokens, env }) => {
      // what it is called on the site tells nothing of where it was
      const from = posix.relative(this.root, env.realPath ?? env.path);
      for (const token of tokens.flatMap(({ children }) => children ?? [])) {
        const href = token.attrGet('href');
        if (token.type === 'link_open' && href !== null) token.attrSet('href', this.resolve(from, href));
      }
    });
  }
}
