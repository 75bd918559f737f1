import type { MarkdownRenderer } from 'vitepress';

/** Makes fenced blocks of Mermaid drawings, which are named after the heading above them. */
export function diagrams(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence!;
  md.renderer.rules.fence = (tokens, index, options, env, self) => {
    const { info, content } = tokens[index]!;
    if (info.trim() !== 'mermaid') return fence(tokens, index, options, env, self);
    const heading = tokens.findLastIndex(({ type }, at) => at < index && type === 'heading_open');
    const title = heading < 0 ? 'Diagram' : tokens[heading + 1]!.content.replaceAll('`', '');
    return `<Diagram title="${md.utils.escapeHtml(title)}" code="${encodeURIComponent(content)}" />`;
  };
}

/** The empty corner of a table is no heading. */
export function corners(md: MarkdownRenderer): void {
  md.core.ruler.push('corners', ({ tokens }) => {
    for (const [at, token] of tokens.entries()) {
      if (token.type !== 'th_open' || tokens[at + 1]!.content !== '') continue;
      token.tag = 'td';
      tokens[at + 2]!.tag = 'td';
    }
  });
}
