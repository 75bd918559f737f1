import { type ReactNode, useMemo } from 'react';
import { count, ms, NONE, percent, span, timeOfDay } from '../format.ts';
import { aloneOf } from '../history.ts';
import type { Model } from '../model.ts';
import { Chart, type Line } from '../parts/chart.tsx';
import { Empty, Panel, ViewHead } from '../parts/pieces.tsx';
import { linkTo } from '../route.ts';
import { MoveText, medianBlackout } from './moves.tsx';

export function Overview({ model }: { model: Model }) {
  const { history, queues, hosts, calls, moves } = model;
  const { samples } = history;
  const at = samples.map((sample) => sample.at);
  const pick = (field: 'sockets' | 'linked' | 'alone' | 'clients' | 'calls' | 'failed') =>
    samples.map((sample) => sample[field]);
  return (
    <>
      <ViewHead title="Overview" />
      <Tiles model={model} />
      {!hosts && !queues && !calls && !model.deadLetters && (
        <Empty title="Nothing to see">
          This key has none of the scopes that show something: <code>sockets:read</code>,{' '}
          <code>mappings:read</code> and <code>dead-letters:read</code>.
        </Empty>
      )}
      <div className="charts">
        {queues && (
          <Chart
            title="Sockets"
            at={at}
            format={(n) => count(Math.round(n))}
            atLeast={10}
            lines={[
              { label: 'all', colour: 1, values: pick('sockets'), fill: true },
              { label: 'linked', colour: 3, values: pick('linked') },
              { label: 'without peers', colour: 2, values: pick('alone') },
            ]}
          />
        )}
        {calls && (
          <Chart
            title="Calls to functions a second"
            at={at}
            format={(n) => (n < 10 ? n.toFixed(1) : count(Math.round(n)))}
            atLeast={5}
            lines={[
              { label: 'all', colour: 1, values: pick('calls'), fill: true },
              { label: 'failed', colour: 4, values: pick('failed') },
            ]}
          />
        )}
        {hosts && (
          <Chart
            title="CPU of hosts"
            at={at}
            format={(n) => `${Math.round(n)} %`}
            atLeast={20}
            lines={perHost(model, 'cpu')}
          />
        )}
        {hosts && (
          <Chart
            title="Event-loop lag of hosts"
            at={at}
            format={(n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`}
            atLeast={10}
            lines={perHost(model, 'lag')}
          />
        )}
      </div>
      {moves && (
        <Panel title="Latest moves" tools={<a href={linkTo('moves')}>All moves</a>}>
          {moves.length === 0 ? (
            <Empty title="No room has moved yet" />
          ) : (
            <ul className="feed">
              {moves.slice(0, 6).map((move) => (
                <li key={`${move.at} ${move.roomId}`}>
                  <time>{timeOfDay(move.at).slice(0, 8)}</time>
                  <MoveText move={move} sockets={model.sockets} />
                </li>
              ))}
            </ul>
          )}
        </Panel>
      )}
    </>
  );
}

const MOST_LINES = 8;

function perHost({ hosts = [], history }: Model, field: 'cpu' | 'lag'): Line[] {
  return hosts.slice(0, MOST_LINES).map(({ id }, i) => ({
    label: id,
    colour: (i % MOST_LINES) + 1,
    values: history.samples.map((sample) => sample[field][id] ?? null),
  }));
}

function Tiles({ model }: { model: Model }) {
  const { hosts, rooms, queues, calls, deadLetters, moves, blackouts } = model;
  const sums = useMemo(() => {
    const of = <T,>(list: T[] | undefined, field: (item: T) => number) =>
      (list ?? []).reduce((sum, item) => sum + field(item), 0);
    return {
      clients: of(hosts, ({ clients }) => clients),
      sockets: of(queues, ({ sockets }) => sockets),
      linked: of(queues, ({ linked }) => linked),
      alone: of(queues, aloneOf),
      recent: of(calls, ({ recent }) => recent),
      failed: of(calls, ({ recentFailed }) => recentFailed),
    };
  }, [hosts, queues, calls]);
  const up = hosts?.filter(({ state, silent }) => state === 'up' && !silent).length ?? 0;
  const oldest = Math.min(...(queues ?? []).map(({ oldest: since }) => since ?? Number.POSITIVE_INFINITY));
  const all = blackouts?.counts.reduce((sum, n) => sum + n, 0) ?? 0;
  return (
    <div className="tiles">
      {hosts && (
        <Tile
          view="hosts"
          name="Hosts"
          value={count(up)}
          note={up === hosts.length ? 'all up' : `of ${hosts.length}: the others drain, start or are silent`}
          bad={up === 0}
        />
      )}
      {rooms && (
        <Tile
          view="rooms"
          name="Rooms"
          value={count(rooms.size)}
          note={`${count(sums.clients)} clients in all`}
        />
      )}
      {queues && (
        <Tile
          view="sockets"
          name="Sockets"
          value={count(sums.sockets)}
          note={`${count(sums.linked)} linked`}
        />
      )}
      {queues && (
        <Tile
          view="matchmaking"
          name="Without peers"
          value={count(sums.alone)}
          note={Number.isFinite(oldest) ? `longest ${span(model.at - oldest)}` : 'nobody looks for any'}
        />
      )}
      {calls && (
        <Tile
          view="calls"
          name="Calls a minute"
          value={count(sums.recent)}
          note={sums.recent === 0 ? 'none failed' : `${percent(sums.failed / sums.recent)} failed`}
          bad={sums.failed > 0.05 * sums.recent}
        />
      )}
      {deadLetters && (
        <Tile
          view="dead-letters"
          name="Dead letters"
          value={deadLetters.length >= 50 ? '50+' : count(deadLetters.length)}
          note={
            deadLetters[0] ? `last ${span(model.at - Date.parse(deadLetters[0].time))} ago` : 'all delivered'
          }
          bad={deadLetters.length > 0}
        />
      )}
      {moves && (
        <Tile
          view="moves"
          name="Moves"
          value={count(all)}
          note={all === 0 ? NONE : `blackout ${ms(medianBlackout(moves))}`}
        />
      )}
    </div>
  );
}

function Tile(props: { view: string; name: string; value: string; note: ReactNode; bad?: boolean }) {
  return (
    <a className={props.bad ? 'tile bad' : 'tile'} href={linkTo(props.view)}>
      <span className="tile-name">{props.name}</span>
      <span className="tile-value">{props.value}</span>
      <span className="tile-note">{props.note}</span>
    </a>
  );
}
