// Small things that every view uses.
import { createContext, type ReactNode, useContext } from 'react';
import type { Action } from '../operations.ts';
import { linkTo } from '../route.ts';

export const Act = createContext<(action: Action) => void>(() => {});
export const useAct = () => useContext(Act);

export function ViewHead({
  title,
  note,
  children,
}: {
  title: string;
  note?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="view-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {note !== undefined && <p className="view-note">{note}</p>}
      </div>
      {children && <div className="view-tools">{children}</div>}
    </header>
  );
}

export function Panel({ title, children, tools }: { title: string; children: ReactNode; tools?: ReactNode }) {
  return (
    <section className="panel" aria-label={title}>
      <div className="panel-head">
        <h2>{title}</h2>
        {tools}
      </div>
      {children}
    </section>
  );
}

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain';

export const Badge = ({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) => (
  <span className={`badge ${tone}`}>
    <span className="dot" aria-hidden="true" />
    {children}
  </span>
);

export const Empty = ({ title, children }: { title: string; children?: ReactNode }) => (
  <div className="empty">
    <p className="empty-title">{title}</p>
    {children && <p>{children}</p>}
  </div>
);

/** @param id in full for those who point at it or copy it */
export const SocketLink = ({ id, tab, children }: { id: string; tab?: 0 | -1; children?: ReactNode }) => (
  <a href={linkTo('sockets', id)} className="id" title={id} {...(tab === undefined ? {} : { tabIndex: tab })}>
    {children ?? id}
  </a>
);

export function Search({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <input
      type="search"
      className="search"
      aria-label={label}
      placeholder={label}
      value={value}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

export const Facts = ({ facts }: { facts: [name: string, value: ReactNode][] }) => (
  <dl className="facts">
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

export const TONES: Record<string, Tone> = {
  ...{ up: 'good', draining: 'warn', standby: 'info', silent: 'bad' },
  ...{ linked: 'good', waiting: 'warn', open: 'info', opening: 'plain' },
};
