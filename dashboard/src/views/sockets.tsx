import { useMemo, useState } from 'react';
import type { WatchedSocket } from '../../../server/src/control/watch-views.ts';
import { count, span } from '../format.ts';
import { type Model, may } from '../model.ts';
import { Badge, Empty, Search, SocketLink, TONES, useAct, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { linkTo } from '../route.ts';
import { Socket } from './socket.tsx';

const STATES = ['opening', 'open', 'waiting', 'linked'] as const;

export function Sockets({ model, id }: { model: Model; id: string | undefined }) {
  return id === undefined ? <List model={model} /> : <Socket key={id} model={model} id={id} />;
}

function List({ model }: { model: Model }) {
  const [search, setSearch] = useState('');
  const [state, setState] = useState('');
  const [mapping, setMapping] = useState('');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map stays, its number says when it has changed
  const all = useMemo(() => [...(model.sockets?.values() ?? [])], [model.socketsVersion]);
  const wanted = search.trim().toLowerCase();
  const rows = useMemo(
    () =>
      all.filter(
        (socket) =>
          (state === '' || socket.status === state) &&
          (mapping === '' || socket.mapping === mapping) &&
          (wanted === '' || matches(socket, wanted)),
      ),
    [all, wanted, state, mapping],
  );
  const columns = useColumns(model);
  const names = useMemo(() => [...new Set(all.map((socket) => socket.mapping))].sort(), [all]);
  return (
    <>
      <ViewHead
        title="Sockets"
        note={
          model.socketCount > all.length
            ? `The first ${count(all.length)} of ${count(model.socketCount)}; look others up by their id.`
            : `${count(rows.length)} of ${count(all.length)}`
        }
      >
        <Search label="Id, player, alias, peer or host" value={search} onChange={setSearch} />
        <select aria-label="State" value={state} onChange={(event) => setState(event.target.value)}>
          <option value="">every state</option>
          {STATES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <select aria-label="Mapping" value={mapping} onChange={(event) => setMapping(event.target.value)}>
          <option value="">every mapping</option>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </ViewHead>
      <Table
        label="Sockets"
        columns={columns}
        rows={rows}
        rowKey={({ socketId }) => socketId}
        sorted="opened"
        empty={
          all.length === 0 && wanted === '' ? (
            <Empty title="No sockets are open">They show up here as soon as players open some.</Empty>
          ) : (
            <Empty title="No open socket is like that">
              {wanted !== '' && (
                <>
                  A closed one may still have its timeline:{' '}
                  <a href={linkTo('sockets', search.trim())}>look it up by this id</a>.
                </>
              )}
            </Empty>
          )
        }
      />
    </>
  );
}

const matches = ({ socketId, playerId, alias, peers, host }: WatchedSocket, wanted: string): boolean =>
  socketId.toLowerCase().includes(wanted) ||
  playerId.toLowerCase().includes(wanted) ||
  host === wanted ||
  (alias?.toLowerCase().includes(wanted) ?? false) ||
  peers.some((peer) => peer.toLowerCase().includes(wanted));

function useColumns(model: Model): Column<WatchedSocket>[] {
  const act = useAct();
  const admin = may(model, 'hosts:admin');
  // ages count in whole seconds of the service's clock
  const now = Math.floor(model.at / 1_000) * 1_000;
  return useMemo(
    () => [
      {
        ...{ id: 'socket', label: 'Socket', width: 'minmax(7rem, 1.2fr)', sort: ({ socketId }) => socketId },
        cell: ({ socketId }, tab) => <SocketLink id={socketId} tab={tab} />,
      },
      {
        ...{ id: 'player', label: 'Player', width: 'minmax(6rem, 1.4fr)', sort: ({ playerId }) => playerId },
        cell: ({ playerId, alias }) => (
          <span title={alias === undefined ? playerId : `${playerId}, alias ${alias}`}>{playerId}</span>
        ),
      },
      {
        ...{ id: 'state', label: 'State', width: '8.5rem', sort: ({ status }) => status },
        cell: ({ status, absent }) => (
          <>
            <Badge tone={TONES[status] ?? 'plain'}>{status}</Badge>
            {absent && <Badge tone="bad">away</Badge>}
          </>
        ),
      },
      {
        ...{ id: 'mapping', label: 'Mapping', width: 'minmax(6rem, 1fr)', sort: ({ mapping }) => mapping },
        cell: ({ mapping, mappingVersion }) => (
          <>
            {mapping} <small>v{mappingVersion}</small>
          </>
        ),
      },
      {
        ...{ id: 'peers', label: 'Peers', width: 'minmax(6rem, 1.2fr)', sort: ({ peers }) => peers.length },
        cell: ({ peers }, tab) =>
          peers.length > 0 && (
            <>
              <SocketLink id={peers[0]!} tab={tab} />
              {peers.length > 1 && <small> +{peers.length - 1}</small>}
            </>
          ),
      },
      { id: 'host', label: 'Host', width: '4.5rem', sort: ({ host }) => host, cell: ({ host }) => host },
      {
        ...{
          id: 'opened',
          label: 'Open for',
          width: '7rem',
          number: true,
          sort: ({ openedAt }) => -openedAt,
        },
        cell: ({ openedAt }) => span(now - openedAt),
      },
      ...(admin
        ? [
            {
              ...{ id: 'act', label: 'Actions', width: '6rem' },
              cell: ({ socketId, playerId, host }: WatchedSocket, tab: 0 | -1) => (
                <button
                  type="button"
                  className="button small"
                  tabIndex={tab}
                  onClick={() =>
                    act({
                      kind: 'move',
                      roomId: socketId,
                      what: `the socket of ${playerId}`,
                      from: host,
                      socket: true,
                    })
                  }
                >
                  Move …<span className="hidden"> {socketId}</span>
                </button>
              ),
            },
          ]
        : []),
    ],
    [admin, act, now],
  );
}
