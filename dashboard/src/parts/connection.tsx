import { useEffect, useState } from 'react';
import { span, timeOfDay } from '../format.ts';
import type { Model } from '../model.ts';

export function ConnectionState({ model }: { model: Model }) {
  const { state } = model.connection;
  const text = state === 'live' ? 'Live' : state === 'lost' ? 'Lost' : 'Connecting';
  return (
    <span className={`connection ${state}`} role="status">
      <span className="dot" aria-hidden="true" />
      {text}
    </span>
  );
}

/** What is shown is old: since when, and when it is tried again. */
export function Lost({ model }: { model: Model }) {
  const { connection, at, hosts } = model;
  const [now, setNow] = useState(Date.now());
  const lost = connection.state === 'lost';
  useEffect(() => {
    if (!lost) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [lost]);
  if (connection.state === 'lost' && at > 0)
    return (
      <div className="banner bad" role="alert">
        <b>The connection to the service is lost.</b> What is shown is how it was at{' '}
        {timeOfDay(at).slice(0, 8)}, {span(Math.max(now, connection.since) - connection.since)} ago.{' '}
        {connection.again > now
          ? `Next try in ${Math.ceil((connection.again - now) / 1_000)} s.`
          : 'Trying …'}
        {connection.why && <span> {connection.why}</span>}
      </div>
    );
  const silent = hosts?.filter((host) => host.silent) ?? [];
  if (connection.state === 'live' && hosts && silent.length > 0 && silent.length === hosts.length)
    return (
      <div className="banner warn" role="alert">
        <b>All hosts are silent.</b> The store may be away; rooms and sockets go on. What is shown is old.
      </div>
    );
  return null;
}
