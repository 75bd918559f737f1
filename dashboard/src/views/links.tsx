import { useMemo, useState } from 'react';
import type { WatchedSocket } from '../../../server/src/control/watch-views.ts';
import { count, span } from '../format.ts';
import type { Model } from '../model.ts';
import { Badge, Empty, Search, SocketLink, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';

interface Link {
  id: string;
  mapping: string;
  members: WatchedSocket[];
  hosts: string[];
  since: number;
  room: string | undefined;
}

function linksOf(sockets: Iterable<WatchedSocket>): Link[] {
  const links = new Map<string, WatchedSocket[]>();
  for (const socket of sockets) {
    if (socket.link === undefined) continue;
    const members = links.get(socket.link);
    if (members) members.push(socket);
    else links.set(socket.link, [socket]);
  }
  return [...links].map(([id, members]) => ({
    ...{ id, members, mapping: [...new Set(members.map(({ mapping }) => mapping))].join(', ') },
    hosts: [...new Set(members.map(({ host }) => host))].sort(),
    since: Math.max(...members.map(({ since }) => since)),
    room: members.find(({ room }) => room !== undefined)?.room,
  }));
}

export function Links({ model }: { model: Model }) {
  const [search, setSearch] = useState('');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map stays, its number says when it has changed
  const all = useMemo(() => linksOf(model.sockets?.values() ?? []), [model.socketsVersion]);
  const wanted = search.trim().toLowerCase();
  const rows = useMemo(
    () =>
      wanted === ''
        ? all
        : all.filter(({ id, members }) =>
            [id, ...members.flatMap(({ socketId, playerId }) => [socketId, playerId])].some((text) =>
              text.toLowerCase().includes(wanted),
            ),
          ),
    [all, wanted],
  );
  const now = Math.floor(model.at / 1_000) * 1_000;
  const columns = useMemo(
    (): Column<Link>[] => [
      {
        ...{ id: 'link', label: 'Link', width: 'minmax(6rem, 1fr)', sort: ({ id }) => id },
        cell: ({ id }) => (
          <span className="id" title={id}>
            {id}
          </span>
        ),
      },
      {
        ...{ id: 'members', label: 'Members', width: 'minmax(12rem, 3fr)' },
        cell: ({ members }, tab) =>
          members.map(({ socketId, playerId }, i) => (
            <span key={socketId}>
              {i > 0 && ' · '}
              <SocketLink id={socketId} tab={tab}>
                {playerId}
              </SocketLink>
            </span>
          )),
      },
      {
        ...{
          id: 'size',
          label: 'Size',
          width: '4.5rem',
          number: true,
          sort: ({ members }) => members.length,
        },
        cell: ({ members }) => count(members.length),
      },
      {
        id: 'mapping',
        label: 'Mapping',
        width: 'minmax(6rem, 1fr)',
        sort: ({ mapping }) => mapping,
        cell: ({ mapping }) => mapping,
      },
      {
        ...{ id: 'host', label: 'Host', width: '9rem', sort: ({ hosts }) => hosts.join() },
        cell: ({ hosts }) => (
          <>
            {hosts.join(', ')} {hosts.length > 1 && <Badge tone="warn">apart</Badge>}
          </>
        ),
      },
      {
        id: 'room',
        label: 'In room',
        width: 'minmax(5rem, 1fr)',
        cell: ({ room }) => room && <span className="id">{room}</span>,
      },
      {
        ...{ id: 'since', label: 'For', width: '7rem', number: true, sort: ({ since }) => -since },
        cell: ({ since }) => span(now - since),
      },
    ],
    [now],
  );
  return (
    <>
      <ViewHead
        title="Links"
        note="Sockets that are joined as peers: what one says, the others hear. They move together."
      >
        <Search label="Link, socket or player" value={search} onChange={setSearch} />
      </ViewHead>
      <Table
        label="Links"
        columns={columns}
        rows={rows}
        rowKey={({ id }) => id}
        sorted="since"
        empty={
          all.length === 0 ? (
            <Empty title="Nobody is linked">Sockets are linked when a function names their peers.</Empty>
          ) : (
            <Empty title="No link is like that" />
          )
        }
      />
    </>
  );
}
