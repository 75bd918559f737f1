// Charts by uPlot. A canvas says nothing to a screen reader: each has its last values as text.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { useTheme } from '../theme.ts';

export interface Line {
  label: string;
  /** Number of a colour of the theme, from 1. */
  colour: number;
  values: (number | null)[];
  fill?: true;
}

export interface ChartProps {
  title: string;
  /** Unix time in s. */
  at: number[];
  lines: Line[];
  /** As it stands on the axis and in the text. */
  format: (value: number) => string;
  /** The axis goes up to this at least. */
  atLeast?: number;
}

const HEIGHT = 148;
const MIN_SPAN_S = 60;

const colour = (name: string) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const axis = (): uPlot.Axis => ({
  stroke: colour('muted'),
  font: '11px system-ui, sans-serif',
  grid: { stroke: colour('line'), width: 1 },
  ticks: { show: false },
});

/** As wide as what it is in. */
function useFit(make: (width: number, into: HTMLElement) => uPlot, again: unknown[]) {
  const into = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const element = into.current!;
    const made = make(element.clientWidth || 300, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = undefined;
    };
    // biome-ignore lint/correctness/useExhaustiveDependencies: its user says what it is made of
  }, again);
  return { into, plot };
}

/** A plot without a legend and a cursor: what it shows stands in words beside it. */
const plain = (width: number) => ({
  ...{ width, height: HEIGHT, legend: { show: false }, cursor: { show: false } },
  padding: [8, 26, 0, 0] satisfies uPlot.Padding,
});

export function Chart({ title, at, lines, format, atLeast = 1 }: ChartProps) {
  const theme = useTheme();
  const names = lines.map(({ label }) => label).join('|');
  const { into, plot } = useFit(
    (width, element) =>
      new uPlot(
        {
          ...plain(width),
          scales: {
            // the last minute at least
            x: { range: (_plot, min, max) => [Math.min(min, max - MIN_SPAN_S), max] },
            y: { range: (_plot, _min, max) => [0, Math.max(atLeast, (max ?? 0) * 1.1)] },
          },
          axes: [
            { ...axis(), space: 70, values: '{HH}:{mm}:{ss}', size: 26 },
            { ...axis(), size: 52, values: (_plot, ticks) => ticks.map(format), space: 28 },
          ],
          series: [
            {},
            ...lines.map(({ label, colour: n, fill }) => ({
              ...{ label, stroke: colour(`series-${n}`), width: 1.5, points: { show: false } },
              ...(fill ? { fill: `${colour(`series-${n}`)}22` } : {}),
            })),
          ],
        },
        [[], ...lines.map(() => [])] as uPlot.AlignedData,
        element,
      ),
    [theme, names],
  );
  useEffect(() => {
    plot.current?.setData([at, ...lines.map(({ values }) => values)] as uPlot.AlignedData);
  });
  const last = lines.map(({ label, values }) => {
    const value = values.at(-1);
    return `${label} ${value === null || value === undefined ? 'unknown' : format(value)}`;
  });
  return (
    <figure className="chart">
      <figcaption>
        <span className="chart-title">{title}</span>
        <span className="legend">
          {lines.map(({ label, colour: n, values }) => {
            const value = values.at(-1);
            return (
              <span key={label} className="legend-item">
                <span className={`swatch series-${n}`} aria-hidden="true" />
                {label} <b>{value === null || value === undefined ? '–' : format(value)}</b>
              </span>
            );
          })}
        </span>
      </figcaption>
      <div
        ref={into}
        className="plot"
        role="img"
        aria-label={`${title} over the last minutes; now ${last.join(', ')}`}
      />
    </figure>
  );
}

export interface BarsProps {
  title: string;
  labels: string[];
  counts: number[];
}

/** How often which range. */
export function Bars({ title, labels, counts }: BarsProps) {
  const theme = useTheme();
  const { into, plot } = useFit(
    (width, element) =>
      new uPlot(
        {
          ...plain(width),
          scales: {
            x: { time: false, range: [-0.6, labels.length - 0.4] },
            y: { range: (_plot, _min, max) => [0, Math.max(4, (max ?? 0) * 1.1)] },
          },
          axes: [
            {
              ...axis(),
              size: 26,
              grid: { show: false },
              splits: labels.map((_, i) => i),
              values: (_plot, ticks) => ticks.map((tick) => labels[tick] ?? ''),
            },
            {
              ...axis(),
              size: 40,
              space: 28,
              incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000],
            },
          ],
          series: [
            {},
            {
              ...{ stroke: colour('series-1'), fill: colour('series-1'), width: 0, points: { show: false } },
              paths: uPlot.paths.bars!({ size: [0.72, 64] }),
            },
          ],
        },
        [[], []],
        element,
      ),
    [theme, labels.join('|')],
  );
  useEffect(() => {
    plot.current?.setData([counts.map((_, i) => i), counts]);
  });
  const said = counts.flatMap((count, i) => (count > 0 ? [`${labels[i]}: ${count}`] : []));
  return (
    <figure className="chart">
      <figcaption>
        <span className="chart-title">{title}</span>
      </figcaption>
      <div ref={into} className="plot" role="img" aria-label={`${title}: ${said.join(', ') || 'none yet'}`} />
    </figure>
  );
}
