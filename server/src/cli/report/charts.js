// Draws the charts of a report. Runs in the page, after uPlot; the numbers are in #charts.
(() => {
  const { uPlot } = window;
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const height = 260;
  const dashes = [[], [8, 4], [2, 3], [12, 4, 2, 4]];
  let drawn = [];

  const number = (value) => (value === null || value === undefined ? '–' : value.toLocaleString('en'));

  function options({ kind, x, y, series }, width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = '12px system-ui, sans-serif';
    const line = { stroke: colour('grid'), width: 1 };
    const axis = (label, size) => {
      const text = { label, size, font, labelFont: font, labelSize: 22, stroke: colour('muted') };
      return { ...text, grid: line, ticks: line };
    };
    const from = y.from ?? 0;
    return {
      width,
      height,
      scales: {
        x: { time: false },
        y: {
          range: (_plot, least, most) => [
            Math.min(from, least ?? from),
            Math.max(most ?? 0, from) * 1.05 || 1,
          ],
        },
      },
      axes: [axis(x.label, 40), axis(y.label, 64)],
      cursor: { drag: { x: true, y: false } },
      legend: { markers: { width: 0, fill: (_plot, n) => colour(`series-${((n - 1) % 6) + 1}`) } },
      series: [
        { label: x.label, value: (_plot, value) => number(value) },
        ...series.map(({ label }, n) => ({
          label,
          stroke: colour(`series-${(n % 6) + 1}`),
          width: 2,
          dash: kind === 'lines' ? dashes[n % dashes.length] : [],
          paths: kind === 'points' ? () => null : undefined,
          points: { show: kind === 'points', size: 5, fill: colour(`series-${(n % 6) + 1}`) },
          spanGaps: true,
          value: (_plot, value) => number(value),
        })),
      ],
    };
  }

  /** All of them: a chart keeps the colours it was made with. */
  function draw() {
    for (const { plot } of drawn) plot.destroy();
    drawn = charts.flatMap((chart, index) => {
      if (chart === null) return [];
      const place = document.getElementById(`chart-${index}`);
      const numbers = [chart.x.values, ...chart.series.map(({ values }) => values)];
      return [{ place, plot: new uPlot(options(chart, place.clientWidth), numbers, place) }];
    });
  }

  const button = document.getElementById('theme');
  const preferred = matchMedia('(prefers-color-scheme: dark)');
  function show(dark) {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    button.setAttribute('aria-pressed', String(dark));
    draw();
  }
  button.addEventListener('click', () => show(button.getAttribute('aria-pressed') !== 'true'));
  preferred.addEventListener('change', ({ matches }) => show(matches));
  addEventListener('resize', () => {
    for (const { place, plot } of drawn) plot.setSize({ width: place.clientWidth, height });
  });
  show(preferred.matches);
})();
