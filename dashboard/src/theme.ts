// Dark or light: as the system says, until somebody chooses.
import { useSyncExternalStore } from 'react';

const CHOICE = 'baton.theme';
type Theme = 'dark' | 'light';
const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

const chosen = (): Theme | undefined => {
  const choice = localStorage.getItem(CHOICE);
  return choice === 'dark' || choice === 'light' ? choice : undefined;
};

export const theme = (): Theme => chosen() ?? (dark.matches ? 'dark' : 'light');

function show(): void {
  document.documentElement.dataset['theme'] = theme();
  for (const listener of listeners) listener();
}

export function startTheme(): void {
  dark.addEventListener('change', show);
  show();
}

export function toggleTheme(): void {
  localStorage.setItem(CHOICE, theme() === 'dark' ? 'light' : 'dark');
  show();
}

export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, theme);
