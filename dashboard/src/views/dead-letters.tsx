import { useEffect, useMemo, useState } from 'react';
import type { WatchedLetter } from '../../../server/src/control/watch-views.ts';
import { type ApiError, ask } from '../api.ts';
import { count, dateTime } from '../format.ts';
import { type Model, may } from '../model.ts';
import { Icon } from '../parts/icons.tsx';
import { Empty, Facts, Panel, SocketLink, useAct, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { linkTo } from '../route.ts';

type Letter = WatchedLetter & { body?: string };

export function DeadLetters({ model, id }: { model: Model; id: string | undefined }) {
  return id === undefined ? <List model={model} /> : <One key={id} model={model} id={id} />;
}

function List({ model }: { model: Model }) {
  const { deadLetters = [] } = model;
  const older = useOlder(model);
  const rows = useMemo(() => {
    const all = new Map([...older.list, ...deadLetters].map((letter) => [letter.number, letter]));
    return [...all.values()];
  }, [deadLetters, older.list]);
  return (
    <>
      <ViewHead
        title="Dead letters"
        note="Calls that were not delivered after all attempts. The newest 1,000 are kept."
      >
        {deadLetters.length >= 50 && !older.ended && (
          <button type="button" className="button" onClick={older.load}>
            Read older ones
          </button>
        )}
      </ViewHead>
      <Table
        label="Dead letters"
        columns={COLUMNS}
        rows={rows}
        rowKey={({ number }) => String(number)}
        sorted="-number"
        empty={<Empty title="No dead letters">Every call was delivered.</Empty>}
      />
    </>
  );
}

function useOlder({ session, deadLetters }: Model) {
  const [list, setList] = useState<Letter[]>([]);
  const [next, setNext] = useState<string>();
  const [ended, setEnded] = useState(false);
  const load = () => {
    const place = next ?? btoa(String(deadLetters?.at(-1)?.number ?? 1)).replaceAll('=', '');
    const path = `/v1/dead-letters?limit=100&after=${place}`;
    ask<{ deadLetters: Letter[]; next?: string }>(session!, 'GET', path).then(
      (page) => {
        setList((before) => [...before, ...page.deadLetters]);
        setNext(page.next);
        setEnded(page.next === undefined);
      },
      () => setEnded(true),
    );
  };
  return { list, ended, load };
}

const COLUMNS: Column<Letter>[] = [
  {
    ...{ id: 'number', label: 'Number', width: '6rem', number: true, sort: ({ number }) => number },
    cell: ({ number }, tab) => (
      <a href={linkTo('dead-letters', String(number))} tabIndex={tab}>
        {number}
      </a>
    ),
  },
  { id: 'time', label: 'Time', width: '12rem', sort: ({ time }) => time, cell: ({ time }) => dateTime(time) },
  {
    id: 'event',
    label: 'Call',
    width: '6rem',
    sort: ({ event }) => event.type,
    cell: ({ event }) => event.type,
  },
  {
    id: 'mapping',
    label: 'Mapping',
    width: 'minmax(6rem, 1fr)',
    sort: ({ event }) => event.mapping,
    cell: ({ event }) => event.mapping,
  },
  {
    ...{ id: 'player', label: 'Player', width: 'minmax(6rem, 1fr)', sort: ({ event }) => event.playerId },
    cell: ({ event }, tab) => (
      <SocketLink id={event.socketId} tab={tab}>
        {event.playerId}
      </SocketLink>
    ),
  },
  {
    ...{ id: 'reason', label: 'Why', width: 'minmax(10rem, 2.5fr)', sort: ({ reason }) => reason },
    cell: ({ reason }) => <span title={reason}>{reason}</span>,
  },
  {
    id: 'attempts',
    label: 'Attempts',
    width: '6.5rem',
    number: true,
    sort: ({ attempts }) => attempts,
    cell: ({ attempts }) => count(attempts),
  },
];

function One({ model, id }: { model: Model; id: string }) {
  const act = useAct();
  const { session, deadLetters = [] } = model;
  const [letter, setLetter] = useState<Letter>();
  const [error, setError] = useState<ApiError>();
  const listed = deadLetters.some(({ number }) => String(number) === id);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it may be off the list by now
  useEffect(() => {
    ask<Letter>(session!, 'GET', `/v1/dead-letters/${encodeURIComponent(id)}`).then(setLetter, setError);
  }, [session, id, listed]);
  return (
    <>
      <ViewHead
        title={`Dead letter ${id}`}
        note={
          <a href={linkTo('dead-letters')} className="back">
            <Icon name="back" /> All dead letters
          </a>
        }
      >
        {letter && !error && letter.event.type !== 'open' && may(model, 'dead-letters:replay') && (
          <button
            type="button"
            className="button"
            onClick={() =>
              act({
                ...{ kind: 'replay', number: letter.number },
                ...{ event: letter.event.type, mapping: letter.event.mapping },
              })
            }
          >
            Replay …
          </button>
        )}
      </ViewHead>
      {error && (
        <Empty title={error.status === 404 ? 'It is off the list' : 'It was not read'}>
          {error.status === 404 ? 'It was delivered, or newer ones took its place.' : error.message}
        </Empty>
      )}
      {letter && !error && <Letter letter={letter} />}
    </>
  );
}

function Letter({ letter }: { letter: Letter }) {
  const { event } = letter;
  return (
    <>
      <p className="reason">{letter.reason}</p>
      <Facts
        facts={[
          ['Call', `${event.type} of ${event.mapping}`],
          ['Last attempt', dateTime(letter.time)],
          ['Attempts', count(letter.attempts)],
          ['Player', event.playerId],
          ['Socket', <SocketLink key="socket" id={event.socketId} />],
          ['Sent to', letter.url],
          ['Call id', letter.callId],
          ['Content', event.contentType],
        ]}
      />
      <Panel title="Body">
        {letter.body === undefined ? (
          <Empty title="Not kept">It was longer than 64 KiB. Such a call cannot be repeated.</Empty>
        ) : (
          <pre>{bodyText(letter.body)}</pre>
        )}
      </Panel>
      {event.attributes && (
        <Panel title="Attributes">
          <pre>{JSON.stringify(event.attributes, null, 2)}</pre>
        </Panel>
      )}
    </>
  );
}

/** As text where it is text, else as hexadecimal. */
function bodyText(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.startsWith('{') || text.startsWith('[') ? pretty(text) : text;
  } catch {
    return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  }
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
