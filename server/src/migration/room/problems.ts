import type { Problem } from '../fields/index.ts';

/** One line for a log or an API answer. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(({ path, what, hint }) => `${path}: ${what} (${hint})`).join('; ');
}
