import { useMemo, useState } from 'react';
import type { WatchedRoom } from '../../../server/src/control/watch-views.ts';
import { count, ms } from '../format.ts';
import { type Model, may } from '../model.ts';
import { Badge, Empty, Search, useAct, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';

export function Rooms({ model, id }: { model: Model; id: string | undefined }) {
  const act = useAct();
  const [search, setSearch] = useState(id ?? '');
  const admin = may(model, 'hosts:admin');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map stays, its number says when it has changed
  const all = useMemo(() => [...(model.rooms?.values() ?? [])], [model.roomsVersion]);
  const rows = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    if (wanted === '') return all;
    return all.filter(({ roomId, name, host }) =>
      [roomId, name, host].some((text) => text.toLowerCase().includes(wanted)),
    );
  }, [all, search]);
  const columns = useMemo(
    (): Column<WatchedRoom>[] => [
      {
        ...{ id: 'room', label: 'Room', width: 'minmax(7rem, 1.4fr)', sort: ({ roomId }) => roomId },
        cell: ({ roomId }) => (
          <span className="id" title={roomId}>
            {roomId}
          </span>
        ),
      },
      {
        ...{ id: 'name', label: 'Name', width: 'minmax(6rem, 1.4fr)', sort: ({ name }) => name },
        cell: ({ name, locked }) => (
          <>
            {name} {locked && <Badge>locked</Badge>}
          </>
        ),
      },
      { id: 'host', label: 'Host', width: '5rem', sort: ({ host }) => host, cell: ({ host }) => host },
      {
        ...{ id: 'clients', label: 'Clients', width: '6.5rem', number: true, sort: ({ clients }) => clients },
        cell: ({ clients, maxClients }) =>
          `${count(clients)}${maxClients === undefined ? '' : ` / ${maxClients}`}`,
      },
      {
        ...{ id: 'moves', label: 'Moves', width: '5.5rem', number: true, sort: ({ moves = 0 }) => moves },
        cell: ({ moves }) => count(moves),
      },
      {
        ...{ id: 'blackout', label: 'Last blackout', width: '7.5rem', number: true },
        sort: ({ lastBlackoutMs = -1 }) => lastBlackoutMs,
        cell: ({ lastBlackoutMs }) => ms(lastBlackoutMs),
      },
      ...(admin
        ? [
            {
              ...{ id: 'act', label: 'Actions', width: '6rem' },
              cell: ({ roomId, name, host }: WatchedRoom, tab: 0 | -1) => (
                <button
                  type="button"
                  className="button small"
                  tabIndex={tab}
                  onClick={() =>
                    act({ kind: 'move', roomId, what: `${name} ${roomId}`, from: host, socket: false })
                  }
                >
                  Move …<span className="hidden"> {roomId}</span>
                </button>
              ),
            },
          ]
        : []),
    ],
    [admin, act],
  );
  return (
    <>
      <ViewHead title="Rooms" note="Rooms of the app on all hosts. Hosted sockets have a list of their own.">
        <Search label="Room, name or host" value={search} onChange={setSearch} />
      </ViewHead>
      <Table
        label="Rooms"
        columns={columns}
        rows={rows}
        rowKey={({ roomId }) => roomId}
        sorted="name"
        empty={
          all.length === 0 ? (
            <Empty title="No rooms">They show up here when clients create or join one.</Empty>
          ) : (
            <Empty title="No room is called so" />
          )
        }
      />
    </>
  );
}
