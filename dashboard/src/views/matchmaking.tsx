import { useMemo } from 'react';
import type { WatchedQueue } from '../../../server/src/control/watch-views.ts';
import { count, ms, NONE, span } from '../format.ts';
import { aloneOf } from '../history.ts';
import type { Model } from '../model.ts';
import { Chart } from '../parts/chart.tsx';
import { Empty, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';

export function Matchmaking({ model }: { model: Model }) {
  const { queues = [], at, history } = model;
  const now = Math.floor(at / 1_000) * 1_000;
  const columns = useMemo(
    (): Column<WatchedQueue>[] => [
      {
        id: 'mapping',
        label: 'Mapping',
        width: 'minmax(8rem, 2fr)',
        sort: ({ mapping }) => mapping,
        cell: ({ mapping }) => mapping,
      },
      number('alone', 'Without peers', aloneOf, count),
      {
        ...{
          id: 'oldest',
          label: 'Longest',
          width: '7.25rem',
          number: true,
          sort: ({ oldest = 0 }) => -oldest,
        },
        cell: ({ oldest }) => (oldest === undefined ? NONE : span(now - oldest)),
      },
      number('waiting', 'Peers named', ({ waiting }) => waiting, count),
      number('linked', 'Linked', ({ linked }) => linked, count),
      number('recent', 'Linked a minute', ({ recent }) => recent, count),
      number('p50', 'Wait, median', ({ p50 }) => p50, ms),
      number('p99', 'Wait, p99', ({ p99 }) => p99, ms),
    ],
    [now],
  );
  return (
    <>
      <ViewHead
        title="Matchmaking"
        note="Who is open without peers, for how many of them a function has named some that are still to come, and how long it took from opening to being linked, of those linked in the last minute."
      />
      <div className="charts one">
        <Chart
          title="Open, without peers"
          at={history.samples.map((sample) => sample.at)}
          format={(n) => count(Math.round(n))}
          atLeast={5}
          lines={[
            {
              label: 'without peers',
              colour: 2,
              values: history.samples.map(({ alone }) => alone),
              fill: true,
            },
          ]}
        />
      </div>
      <Table
        label="Matchmaking by mapping"
        columns={columns}
        rows={queues}
        rowKey={({ mapping }) => mapping}
        sorted="mapping"
        empty={
          <Empty title="No sockets are open">Queues show up here as soon as players open sockets.</Empty>
        }
      />
    </>
  );
}

const number = (
  id: string,
  label: string,
  value: (queue: WatchedQueue) => number | undefined,
  show: (n: number | undefined) => string,
): Column<WatchedQueue> => ({
  ...{ id, label, width: '7.25rem', number: true, sort: (queue: WatchedQueue) => value(queue) ?? -1 },
  cell: (queue) => show(value(queue)),
});
