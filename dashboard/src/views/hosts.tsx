import { bytes, count, ms, span } from '../format.ts';
import { type Model, may } from '../model.ts';
import { Badge, Empty, TONES, useAct, ViewHead } from '../parts/pieces.tsx';

export function Hosts({ model }: { model: Model }) {
  const { hosts = [], at } = model;
  const act = useAct();
  const admin = may(model, 'hosts:admin');
  const newest = Math.max(...hosts.map(({ generation }) => generation));
  return (
    <>
      <ViewHead
        title="Hosts"
        note="Processes that hold rooms and sockets. A drained one is replaced; a reload replaces all."
      >
        {admin && (
          <button type="button" className="button" onClick={() => act({ kind: 'reload' })}>
            Reload …
          </button>
        )}
      </ViewHead>
      {hosts.length === 0 && <Empty title="No host reports">The store may be away.</Empty>}
      <ul className="hosts">
        {hosts.map((host) => {
          const state = host.silent ? 'silent' : host.state;
          const cpu = host.cpu ?? 0;
          return (
            <li key={host.id} className="card host">
              <div className="host-head">
                <h2>{host.id}</h2>
                <Badge tone={TONES[state] ?? 'plain'}>{state}</Badge>
                {admin && host.state === 'up' && !host.silent && (
                  <button
                    type="button"
                    className="button small"
                    onClick={() => act({ kind: 'drain', host: host.id })}
                  >
                    Drain …<span className="hidden"> {host.id}</span>
                  </button>
                )}
              </div>
              <div className="host-load">
                <Load name="CPU" part={cpu} text={`${Math.round(cpu * 100)} %`} />
                <Load name="Loop lag" part={host.lagMs / 100} text={`${ms(host.lagMs)} p99`} />
              </div>
              <dl className="host-numbers">
                <Figure name="Rooms" value={count(host.rooms)} />
                <Figure name="Sockets" value={count(host.sockets)} />
                <Figure name="Clients" value={count(host.clients)} />
                <Figure name="Memory" value={bytes(host.memory)} />
                <Figure name="Moves" value={count(host.moves)} />
                <Figure name="Up for" value={span(at - host.startedAt)} />
              </dl>
              <p className="host-foot">
                generation {host.generation}
                {host.generation < newest && ' (old code)'} · pid {host.pid} · {host.machine}
              </p>
            </li>
          );
        })}
      </ul>
    </>
  );
}

function Load({ name, part, text }: { name: string; part: number; text: string }) {
  const tone = part > 0.85 ? 'bad' : part > 0.6 ? 'warn' : 'good';
  return (
    <div className="load">
      <span className="load-name">{name}</span>
      <span className="load-text">{text}</span>
      <span className="load-bar" aria-hidden="true">
        <span className={tone} style={{ width: `${Math.min(100, Math.max(1, part * 100))}%` }} />
      </span>
    </div>
  );
}

const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);
