// What a button will do, said before it is done; then how far it is, and what came of it.
import { useEffect, useRef, useState } from 'react';
import { count } from '../format.ts';
import { type Model, useModel } from '../model.ts';
import { type Action, start, useOperations } from '../operations.ts';
import { Progress } from './progress.tsx';

export function ActionDialog({ action, onClose }: { action: Action; onClose: () => void }) {
  const model = useModel();
  const dialog = useRef<HTMLDialogElement>(null);
  const [id, setId] = useState<number>();
  const operation = useOperations().find((one) => one.id === id);
  const targets = targetsOf(model, action);
  const [chosen, setChosen] = useState<string>();
  const to = chosen ?? targets[0]?.id ?? '';
  const [keepImmovable, setKeepImmovable] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const { title, says, confirm } = textOf(model, action);
  const blocked = (action.kind === 'move' && to === '') || model.connection.state !== 'live';
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <form method="dialog">
        <h2 id="dialog-title">{title}</h2>
        {operation ? (
          <Progress operation={operation} />
        ) : (
          <>
            {says.map((line) => (
              <p key={line}>{line}</p>
            ))}
            {action.kind === 'move' && (
              <label className="field">
                <span>To host</span>
                <select value={to} onChange={(event) => setChosen(event.target.value)}>
                  {targets.map(({ id: host, rooms, sockets, cpu = 0 }) => (
                    <option key={host} value={host}>
                      {host} – {count(rooms + sockets)} rooms and sockets, {Math.round(cpu * 100)} % CPU
                    </option>
                  ))}
                </select>
              </label>
            )}
            {action.kind === 'move' && targets.length === 0 && (
              <p className="note bad">There is no other host that takes rooms.</p>
            )}
            {action.kind === 'reload' && (
              <label className="check">
                <input
                  type="checkbox"
                  checked={keepImmovable}
                  onChange={(event) => setKeepImmovable(event.target.checked)}
                />
                <span>Go on when rooms cannot move; they stay on their old host until they end</span>
              </label>
            )}
          </>
        )}
        <div className="dialog-buttons">
          <button type="submit" className="button">
            {operation ? (operation.state === 'running' ? 'Close, and let it go on' : 'Close') : 'Cancel'}
          </button>
          {!operation && (
            <button
              type="button"
              className="button primary"
              disabled={blocked}
              onClick={() => setId(start(model.session!, model, action, { to, keepImmovable }))}
            >
              {confirm}
            </button>
          )}
        </div>
      </form>
    </dialog>
  );
}

/** Hosts that would take it, the emptiest first. */
function targetsOf(model: Model, action: Action) {
  if (action.kind !== 'move') return [];
  return (model.hosts ?? [])
    .filter(({ id, state, silent }) => id !== action.from && state === 'up' && !silent)
    .sort((a, b) => a.rooms + a.sockets - b.rooms - b.sockets);
}

function textOf(model: Model, action: Action): { title: string; says: string[]; confirm: string } {
  if (action.kind === 'move')
    return {
      title: `Move ${action.what}`,
      says: [
        `It is on ${action.from}. It goes to another host with its state and its connections; its clients stay connected and miss nothing.`,
        ...(action.socket
          ? ['Sockets that it is linked with go along, and so does the room they are in.']
          : []),
      ],
      confirm: 'Move',
    };
  if (action.kind === 'drain') {
    const host = model.hosts?.find(({ id }) => id === action.host);
    const holds = host
      ? `${count(host.rooms)} rooms and ${count(host.sockets)} sockets with ${count(host.clients)} clients`
      : 'all rooms';
    return {
      title: `Drain ${action.host}`,
      says: [
        `${holds} move to the other hosts; nobody is disconnected. A new host takes its place, and it ends.`,
        'What has not moved after 30 s stays until it ends by itself, ten minutes at most.',
      ],
      confirm: 'Drain',
    };
  }
  if (action.kind === 'reload')
    return {
      title: 'Reload the service',
      says: [
        `The code now on disk comes into service: new hosts start, all rooms and sockets move to them, and the ${count(model.hosts?.length)} hosts that run now end. Nobody is disconnected.`,
        'If the new code does not start, or a room cannot move to it, the old hosts go on.',
      ],
      confirm: 'Reload',
    };
  return {
    title: `Replay dead letter ${action.number}`,
    says: [
      `The ${action.event} function of ${action.mapping} is called again, as the mapping is today, with the same id and body. What it answers has no effect.`,
    ],
    confirm: 'Replay',
  };
}
