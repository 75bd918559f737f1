import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

declare const window: {
  axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
};

/** What axe-core finds wrong on a page as it is now: rules, and where they are broken. */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger's way, which a page's Content-Security-Policy says nothing about.
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run());
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
