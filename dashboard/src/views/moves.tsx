import { useMemo } from 'react';
import type { WatchedMove } from '../../../server/src/control/watch-views.ts';
import { bytes, count, ms, NONE, timeOfDay } from '../format.ts';
import type { Model } from '../model.ts';
import { Bars } from '../parts/chart.tsx';
import { Badge, Empty, SocketLink, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';

const PHASES = ['prepare', 'quiesce', 'freeze', 'transfer', 'restore', 'switch'];

export function medianBlackout(moves: WatchedMove[]): number | undefined {
  const times = moves.flatMap(({ blackoutMs }) => blackoutMs ?? []).sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)];
}

export function MoveText({ move, sockets }: { move: WatchedMove; sockets: Model['sockets'] }) {
  const { roomId, from, to, code, blackoutMs } = move;
  return (
    <span className="move-text">
      {sockets?.has(roomId) ? <SocketLink id={roomId} /> : <span className="id">{roomId}</span>}
      <span>
        {from} → {to}
      </span>
      {code === undefined ? (
        <span className="muted">{ms(blackoutMs)}</span>
      ) : (
        <Badge tone="bad">{code}</Badge>
      )}
    </span>
  );
}

export function Moves({ model }: { model: Model }) {
  const { moves = [], blackouts, sockets } = model;
  const { bounds = [], counts = [] } = blackouts ?? {};
  const labels = useMemo(
    () => [...bounds.map((bound) => `≤ ${short(bound)}`), `> ${short(bounds.at(-1) ?? 0)}`],
    [bounds],
  );
  const last = counts.findLastIndex((n) => n > 0);
  const shown = Math.max(last + 1, 8);
  const columns = useMemo(
    (): Column<WatchedMove>[] => [
      { id: 'at', label: 'Time', width: '8rem', sort: ({ at }) => at, cell: ({ at }) => timeOfDay(at) },
      {
        ...{
          id: 'room',
          label: 'Room or socket',
          width: 'minmax(8rem, 1.5fr)',
          sort: ({ roomId }) => roomId,
        },
        cell: ({ roomId }, tab) =>
          sockets?.has(roomId) ? (
            <SocketLink id={roomId} tab={tab} />
          ) : (
            <span className="id" title={roomId}>
              {roomId}
            </span>
          ),
      },
      {
        id: 'way',
        label: 'From → to',
        width: '8rem',
        sort: ({ from }) => from,
        cell: ({ from, to }) => `${from} → ${to}`,
      },
      {
        ...{ id: 'outcome', label: 'Outcome', width: 'minmax(7rem, 1.2fr)', sort: ({ code = '' }) => code },
        cell: ({ code }) =>
          code === undefined ? <Badge tone="good">moved</Badge> : <Badge tone="bad">{code}</Badge>,
      },
      {
        id: 'blackout',
        label: 'Blackout',
        width: '7rem',
        number: true,
        sort: ({ blackoutMs = -1 }) => blackoutMs,
        cell: ({ blackoutMs }) => ms(blackoutMs),
      },
      {
        id: 'clients',
        label: 'Clients',
        width: '6rem',
        number: true,
        sort: ({ clients = -1 }) => clients,
        cell: ({ clients }) => count(clients),
      },
      {
        id: 'bytes',
        label: 'Bytes',
        width: '7rem',
        number: true,
        sort: ({ bytes: n = -1 }) => n,
        cell: ({ bytes: n }) => bytes(n),
      },
      {
        id: 'phases',
        label: 'Phases',
        width: 'minmax(9rem, 1.6fr)',
        cell: ({ phases }) => <Phases phases={phases} />,
      },
    ],
    [sockets],
  );
  const total = counts.reduce((sum, n) => sum + n, 0);
  return (
    <>
      <ViewHead
        title="Moves"
        note={`Rooms and sockets that changed host. ${count(total)} since the hosts started that run now; median blackout of the last ${count(moves.length)}: ${ms(medianBlackout(moves))}.`}
      />
      <div className="charts one">
        <Bars
          title="How long moves kept rooms still"
          labels={labels.slice(0, shown)}
          counts={counts.slice(0, shown)}
        />
      </div>
      <p className="legend below">
        {PHASES.map((name) => (
          <span key={name} className="legend-item">
            <span className={`swatch phase ${name}`} aria-hidden="true" />
            {name}
          </span>
        ))}
      </p>
      <Table
        label="Moves"
        columns={columns}
        rows={moves}
        rowKey={({ at, roomId }) => `${at} ${roomId}`}
        sorted="-at"
        empty={
          <Empty title="No room has moved yet">
            Move one from the lists of rooms or sockets, drain a host, or reload.
          </Empty>
        }
      />
    </>
  );
}

const short = (seconds: number) => (seconds < 1 ? `${seconds * 1_000} ms` : `${seconds} s`);

function Phases({ phases }: { phases: WatchedMove['phases'] }) {
  if (!phases) return NONE;
  const all = PHASES.map((name) => [name, phases[name] ?? 0] as const);
  const sum = all.reduce((total, [, n]) => total + n, 0) || 1;
  const text = all.map(([name, n]) => `${name} ${ms(n)}`).join(', ');
  return (
    <span className="phases" title={text}>
      <span className="hidden">{text}</span>
      {all.map(([name, n]) => (
        <span key={name} className={`phase ${name}`} style={{ flexGrow: n / sum }} aria-hidden="true" />
      ))}
    </span>
  );
}
