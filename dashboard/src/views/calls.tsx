import type { WatchedCalls } from '../../../server/src/control/watch-views.ts';
import { count, ms, NONE, percent } from '../format.ts';
import type { Model } from '../model.ts';
import { Chart } from '../parts/chart.tsx';
import { Badge, Empty, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';

const COLUMNS: Column<WatchedCalls>[] = [
  {
    ...{ id: 'mapping', label: 'Mapping', width: 'minmax(7rem, 1.5fr)', sort: ({ mapping }) => mapping },
    cell: ({ mapping }) => mapping,
  },
  {
    id: 'event',
    label: 'Call',
    width: 'minmax(6rem, 1fr)',
    sort: ({ event }) => event,
    cell: ({ event }) => event,
  },
  {
    ...{ id: 'recent', label: 'A minute', width: '7rem', number: true, sort: ({ recent }) => recent },
    cell: ({ recent }) => count(recent),
  },
  {
    ...{ id: 'failed', label: 'Failed', width: '8rem', number: true },
    sort: ({ recent, recentFailed }) => (recent === 0 ? -1 : recentFailed / recent),
    cell: ({ recent, recentFailed }) =>
      recent === 0 ? (
        NONE
      ) : recentFailed === 0 ? (
        '0 %'
      ) : (
        <Badge tone="bad">{percent(recentFailed / recent)}</Badge>
      ),
  },
  {
    id: 'p50',
    label: 'Median',
    width: '7rem',
    number: true,
    sort: ({ p50 = -1 }) => p50,
    cell: ({ p50 }) => ms(p50),
  },
  {
    id: 'p99',
    label: 'p99',
    width: '7rem',
    number: true,
    sort: ({ p99 = -1 }) => p99,
    cell: ({ p99 }) => ms(p99),
  },
  {
    id: 'total',
    label: 'Total',
    width: '7rem',
    number: true,
    sort: ({ total }) => total,
    cell: ({ total }) => count(total),
  },
  {
    ...{
      id: 'total-failed',
      label: 'Total failed',
      width: '7.5rem',
      number: true,
      sort: ({ failed }) => failed,
    },
    cell: ({ failed }) => count(failed),
  },
];

export function Calls({ model }: { model: Model }) {
  const { calls = [], history } = model;
  const at = history.samples.map((sample) => sample.at);
  return (
    <>
      <ViewHead
        title="Calls"
        note="Calls to functions with all their attempts: the last minute, and since the hosts started that run now."
      />
      <div className="charts one">
        <Chart
          title="Calls a second"
          at={at}
          format={(n) => (n < 10 ? n.toFixed(1) : count(Math.round(n)))}
          atLeast={5}
          lines={[
            { label: 'all', colour: 1, values: history.samples.map((sample) => sample.calls), fill: true },
            { label: 'failed', colour: 4, values: history.samples.map((sample) => sample.failed) },
          ]}
        />
      </div>
      <Table
        label="Calls by mapping and kind"
        columns={COLUMNS}
        rows={calls}
        rowKey={({ mapping, event }) => `${mapping} ${event}`}
        sorted="mapping"
        empty={<Empty title="No function was called yet">The first call is made when a socket opens.</Empty>}
      />
    </>
  );
}
