import { useEffect, useRef, useState } from 'react';
import { count } from './format.ts';
import { type Model, may, signIn, signOut, useModel } from './model.ts';
import type { Action } from './operations.ts';
import { ConnectionState, Lost } from './parts/connection.tsx';
import { ActionDialog } from './parts/dialog.tsx';
import { Icon, type IconName } from './parts/icons.tsx';
import { Act, Empty, ViewHead } from './parts/pieces.tsx';
import { Corner } from './parts/progress.tsx';
import { linkTo, useRoute } from './route.ts';
import { writeSession } from './session.ts';
import { SignIn } from './sign-in.tsx';
import { theme, toggleTheme, useTheme } from './theme.ts';
import { Calls } from './views/calls.tsx';
import { DeadLetters } from './views/dead-letters.tsx';
import { Hosts } from './views/hosts.tsx';
import { Links } from './views/links.tsx';
import { Mappings } from './views/mappings.tsx';
import { Matchmaking } from './views/matchmaking.tsx';
import { Moves } from './views/moves.tsx';
import { Overview } from './views/overview.tsx';
import { Rooms } from './views/rooms.tsx';
import { Sockets } from './views/sockets.tsx';

interface View {
  id: IconName;
  label: string;
  /** What the key needs for it. */
  scope?: string;
  show: (props: { model: Model; id: string | undefined }) => React.ReactNode;
  badge?: (model: Model) => number | undefined;
}

const VIEWS: View[] = [
  { id: 'overview', label: 'Overview', show: Overview },
  { id: 'hosts', label: 'Hosts', scope: 'hosts:read', show: Hosts, badge: ({ hosts }) => hosts?.length },
  { id: 'rooms', label: 'Rooms', scope: 'hosts:read', show: Rooms, badge: ({ rooms }) => rooms?.size },
  {
    id: 'sockets',
    label: 'Sockets',
    scope: 'sockets:read',
    show: Sockets,
    badge: ({ socketCount }) => socketCount,
  },
  { id: 'links', label: 'Links', scope: 'sockets:read', show: Links },
  { id: 'matchmaking', label: 'Matchmaking', scope: 'sockets:read', show: Matchmaking },
  {
    id: 'mappings',
    label: 'Mappings',
    scope: 'mappings:read',
    show: Mappings,
    badge: ({ mappings }) => mappings?.length,
  },
  { id: 'calls', label: 'Calls', scope: 'mappings:read', show: Calls },
  {
    id: 'dead-letters',
    label: 'Dead letters',
    scope: 'dead-letters:read',
    show: DeadLetters,
    badge: ({ deadLetters }) => deadLetters?.length,
  },
  { id: 'moves', label: 'Moves', scope: 'hosts:read', show: Moves },
];

export function App() {
  const model = useModel();
  useTheme();
  if (model.connection.state === 'signed-out') return <SignIn why={model.connection.why} />;
  return <Signed model={model} />;
}

function Signed({ model }: { model: Model }) {
  const route = useRoute();
  const [action, setAction] = useState<Action>();
  const main = useRef<HTMLElement>(null);
  const views = VIEWS.filter(({ scope }) => scope === undefined || may(model, scope));
  const view = views.find(({ id }) => id === route.view);
  const known = model.at > 0;

  useEffect(() => {
    document.title = `${view?.label ?? 'Not found'} – Baton`;
  }, [view]);

  const entered = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever goes to another view is told its heading
  useEffect(() => {
    if (entered.current) main.current?.querySelector('h1')?.focus({ preventScroll: true });
    entered.current = true;
  }, [route.view, route.id]);

  const Show = view?.show;
  return (
    <Act.Provider value={setAction}>
      <div className="frame">
        <Sidebar
          model={model}
          views={views}
          current={view?.id}
          onSkip={() => main.current?.querySelector('h1')?.focus()}
        />
        <div className="column">
          <Lost model={model} />
          <main ref={main} id="main" className={model.connection.state === 'lost' && known ? 'stale' : ''}>
            {!known ? (
              <Waiting model={model} />
            ) : Show ? (
              <Show key={view.id} model={model} id={route.id} />
            ) : (
              <>
                <ViewHead title="Nothing here" />
                <Empty title="There is no such page, or this key may not see it">
                  <a href={linkTo('overview')}>To the overview</a>
                </Empty>
              </>
            )}
          </main>
        </div>
      </div>
      {action && <ActionDialog action={action} onClose={() => setAction(undefined)} />}
      <Corner hidden={action !== undefined} />
    </Act.Provider>
  );
}

function Sidebar({
  model,
  views,
  current,
  onSkip,
}: {
  model: Model;
  views: View[];
  current: string | undefined;
  onSkip: () => void;
}) {
  const { you, session, tenants } = model;
  return (
    <header className="sidebar">
      <button type="button" className="skip" onClick={onSkip}>
        Skip to content
      </button>
      <div className="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true" className="logo">
          <rect width="32" height="32" rx="7" />
          <path d="M8 22 22 8" />
          <path d="M19 11l2-2" />
        </svg>
        <span>Baton</span>
        <ConnectionState model={model} />
      </div>
      <nav aria-label="Views">
        <ul>
          {views.map(({ id, label, badge }) => {
            const n = badge?.(model);
            return (
              <li key={id}>
                <a href={linkTo(id)} {...(id === current ? { 'aria-current': 'page' } : {})}>
                  <Icon name={id} />
                  <span className="nav-label">{label}</span>
                  {n !== undefined && n > 0 && (
                    <span className={id === 'dead-letters' ? 'nav-count warn' : 'nav-count'}>{count(n)}</span>
                  )}
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
      <div className="sidebar-foot">
        {you?.operator && tenants.length > 1 ? (
          <label className="field small">
            <span>Tenant</span>
            <select
              value={you.tenant}
              onChange={(event) => {
                const next = { key: session!.key, tenant: event.target.value };
                writeSession(next);
                signIn(next);
              }}
            >
              {tenants.map((tenant) => (
                <option key={tenant}>{tenant}</option>
              ))}
            </select>
          </label>
        ) : (
          you && (
            <p className="who">
              Tenant <b>{you.tenant}</b>
            </p>
          )
        )}
        {you && <p className="who">{you.operator ? 'Operator' : `Key ${you.key}`}</p>}
        <div className="foot-buttons">
          <button type="button" className="icon-button" onClick={toggleTheme}>
            <Icon name={theme() === 'dark' ? 'sun' : 'moon'} />
            <span className="hidden">{theme() === 'dark' ? 'Light theme' : 'Dark theme'}</span>
          </button>
          <button type="button" className="icon-button" onClick={() => signOut()}>
            <Icon name="out" />
            <span className="foot-label">Sign out</span>
          </button>
        </div>
      </div>
    </header>
  );
}

function Waiting({ model }: { model: Model }) {
  const { connection } = model;
  return (
    <div className="waiting">
      <h1 tabIndex={-1}>{connection.state === 'lost' ? 'The service does not answer' : 'Connecting'}</h1>
      {connection.state === 'lost' ? (
        <p>{connection.why ?? 'It is tried again by itself.'}</p>
      ) : (
        <div className="skeleton" aria-hidden="true">
          <span />
          <span />
          <span />
          <span />
        </div>
      )}
    </div>
  );
}
