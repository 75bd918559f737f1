import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  nodes: { html: string; any: { message: string }[] }[];
}
declare const window: { axe: { run(): Promise<{ violations: Violation[] }> } };

/** What axe-core finds wrong on a page as it is now: rules, where they are broken, and how. */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger's way, which a page's Content-Security-Policy says nothing about.
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run());
  return found.violations.map(({ id, nodes }) => {
    const where = nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ''}`);
    return `${id}: ${where.join(' | ')}`;
  });
}
