// Numbers and times as people read them.
const whole = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export const NONE = '–';

export const count = (n: number | undefined): string => (n === undefined ? NONE : whole.format(n));

export function bytes(n: number | undefined): string {
  if (n === undefined) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${n.toFixed(unit === 0 || n >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** 0.84 ms, 12.3 ms, 340 ms, 2.4 s, 1 min 5 s */
export function ms(n: number | undefined): string {
  if (n === undefined) return NONE;
  if (n < 1) return `${n.toFixed(2)} ms`;
  if (n < 100) return `${n.toFixed(1)} ms`;
  if (n < 1_000) return `${Math.round(n)} ms`;
  if (n < 60_000) return `${(n / 1_000).toFixed(1)} s`;
  return span(n);
}

/** 4 s, 3 min 12 s, 2 h 5 min, 3 d 4 h */
export function span(n: number): string {
  const s = Math.max(0, Math.floor(n / 1_000));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

export const percent = (part: number): string => `${(part * 100).toFixed(part > 0 && part < 0.1 ? 1 : 0)} %`;
export const timeOfDay = (at: number): string => clock.format(at);
export const dateTime = (at: number | string): string => day.format(new Date(at));
