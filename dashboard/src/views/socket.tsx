import { useCallback, useEffect, useState } from 'react';
import type { z } from 'zod';
import type { timelineSchema } from '../../../server/src/control/views.ts';
import { type ApiError, ask } from '../api.ts';
import { count, dateTime, ms, span, timeOfDay } from '../format.ts';
import { type Model, may } from '../model.ts';
import { Icon } from '../parts/icons.tsx';
import {
  Badge,
  Empty,
  Facts,
  Panel,
  SocketLink,
  TONES,
  type Tone,
  useAct,
  ViewHead,
} from '../parts/pieces.tsx';
import { linkTo } from '../route.ts';

type Timeline = z.infer<typeof timelineSchema>;
type TimelineEvent = Timeline['events'][number];

const EVENTS: Record<string, { name: string; tone: Tone }> = {
  opened: { name: 'Opened', tone: 'info' },
  call: { name: 'Call', tone: 'plain' },
  reply: { name: 'Reply', tone: 'plain' },
  failed: { name: 'Call failed', tone: 'bad' },
  receive: { name: 'Receive calls', tone: 'plain' },
  waiting: { name: 'Waits', tone: 'warn' },
  linked: { name: 'Linked', tone: 'good' },
  unlinked: { name: 'Unlinked', tone: 'warn' },
  room: { name: 'Enters room', tone: 'info' },
  moved: { name: 'Moved', tone: 'info' },
  dropped: { name: 'Connection lost', tone: 'bad' },
  back: { name: 'Back', tone: 'good' },
  closed: { name: 'Closed', tone: 'plain' },
};

export function Socket({ model, id }: { model: Model; id: string }) {
  const act = useAct();
  const socket = model.sockets?.get(id);
  const { timeline, error, load } = useTimeline(model, id);
  const now = model.at;
  return (
    <>
      <ViewHead
        title="Socket"
        note={
          <>
            <a href={linkTo('sockets')} className="back">
              <Icon name="back" /> All sockets
            </a>
            <span className="id whole">{id}</span>
          </>
        }
      >
        <button type="button" className="button" onClick={load}>
          Read again
        </button>
        {socket && may(model, 'hosts:admin') && (
          <button
            type="button"
            className="button"
            onClick={() =>
              act({
                ...{ kind: 'move', roomId: id, what: `the socket of ${socket.playerId}` },
                ...{ from: socket.host, socket: true },
              })
            }
          >
            Move …
          </button>
        )}
      </ViewHead>
      {socket ? (
        <Facts
          facts={[
            [
              'State',
              <>
                <Badge tone={TONES[socket.status] ?? 'plain'}>{socket.status}</Badge>
                {socket.absent && <Badge tone="bad">away</Badge>}
              </>,
            ],
            ['Player', socket.playerId],
            ['Mapping', `${socket.mapping} v${socket.mappingVersion}`],
            ['Host', socket.host],
            ['Open for', span(now - socket.openedAt)],
            [
              'Peers',
              socket.peers.length === 0
                ? 'none'
                : socket.peers.map((peer) => <SocketLink key={peer} id={peer} />),
            ],
            ['Moves', count(socket.epoch - 1)],
            ['Speaks', socket.speech],
            ...(socket.alias === undefined ? [] : [['Alias', socket.alias] as [string, string]]),
            ...(socket.room === undefined ? [] : [['In room', socket.room] as [string, string]]),
          ]}
        />
      ) : (
        timeline && (
          <Facts
            facts={[
              ['State', <Badge key="state">{timeline.closed ? 'closed' : 'not in the list'}</Badge>],
              ['Player', timeline.playerId],
              ['Mapping', timeline.mapping],
              ['Opened', dateTime(timeline.openedAt)],
            ]}
          />
        )
      )}
      <Panel title="Timeline">
        {error ? (
          <Empty title={error.status === 404 ? 'No such socket' : 'The timeline was not read'}>
            {error.message} <code className="code">{error.code}</code>
          </Empty>
        ) : timeline ? (
          <Events timeline={timeline} />
        ) : (
          <div className="skeleton" aria-hidden="true">
            <span />
            <span />
            <span />
          </div>
        )}
      </Panel>
    </>
  );
}

/** Read once, and again when the socket is seen to have changed. */
function useTimeline(model: Model, id: string) {
  const { session } = model;
  const [timeline, setTimeline] = useState<Timeline>();
  const [error, setError] = useState<ApiError>();
  const load = useCallback(() => {
    ask<Timeline>(session!, 'GET', `/v1/sockets/${encodeURIComponent(id)}/timeline`).then(
      (found) => {
        setTimeline(found);
        setError(undefined);
      },
      (failed: ApiError) => setError(failed),
    );
  }, [session, id]);
  const socket = model.sockets?.get(id);
  const seen = socket && [socket.status, socket.epoch, socket.since, socket.absent, socket.room].join(' ');
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is seen of it says when to read it again
  useEffect(load, [load, seen]);
  return { timeline, error, load };
}

function Events({ timeline }: { timeline: Timeline }) {
  const { events, left } = timeline;
  const rows: (TimelineEvent | { gap: number })[] = [...events];
  if (left > 0) rows.splice(Math.min(8, rows.length), 0, { gap: left });
  return (
    <ol className="timeline">
      {rows.map((event, i) => {
        if ('gap' in event)
          return (
            <li key="gap" className="gap">
              {count(event.gap)} events were not kept
            </li>
          );
        const { name, tone } = EVENTS[event.event] ?? { name: event.event, tone: 'plain' as const };
        const since = event.at - events[0]!.at;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: they only grow at the end
          <li key={i} className={tone}>
            <span className="dot" aria-hidden="true" />
            <time dateTime={new Date(event.at).toISOString()} title={dateTime(event.at)}>
              {timeOfDay(event.at)}
            </time>
            <span className="since">+{since === 0 ? '0 ms' : ms(since)}</span>
            <span className="what">
              <b>{name}</b>
              {event.times !== undefined && <b> × {count(event.times)}</b>}
              {event.detail !== undefined && <span className="detail">{event.detail}</span>}
              {event.ms !== undefined && <span className="took">{tookText(event)}</span>}
              {event.code !== undefined && <code className="code">{event.code}</code>}
            </span>
            <span className="where">{event.host}</span>
          </li>
        );
      })}
    </ol>
  );
}

function tookText({ event, ms: n, times }: TimelineEvent): string {
  if (event === 'moved') return `still for ${ms(n)}`;
  if (event === 'linked') return `${ms(n)} after it opened`;
  return times === undefined ? `took ${ms(n)}` : `the last took ${ms(n)}`;
}
