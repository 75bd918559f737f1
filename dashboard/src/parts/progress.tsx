import { useEffect, useState } from 'react';
import { span } from '../format.ts';
import { useModel } from '../model.ts';
import { dismiss, type Operation, useOperations } from '../operations.ts';
import { Icon } from './icons.tsx';

export function Progress({ operation }: { operation: Operation }) {
  const model = useModel();
  const [now, setNow] = useState(Date.now());
  const running = operation.state === 'running';
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [running]);
  return (
    <div className={`operation ${operation.state}`} role="status">
      {running ? (
        <>
          <div className="bar" aria-hidden="true">
            <span />
          </div>
          <p>
            {operation.progress(model)} · {span(now - operation.startedAt)}
          </p>
        </>
      ) : (
        <p>
          <b>{operation.state === 'done' ? 'Done.' : 'Failed.'}</b> {operation.text}
          {operation.code && <code className="code">{operation.code}</code>}
        </p>
      )}
    </div>
  );
}

/** Those whose dialogs are closed. */
export function Corner({ hidden }: { hidden: boolean }) {
  const operations = useOperations();
  if (hidden || operations.length === 0) return null;
  return (
    <section className="corner" aria-label="Under way">
      {operations.map((operation) => (
        <div key={operation.id} className="corner-item">
          <div className="corner-head">
            <b>{operation.title}</b>
            {operation.state !== 'running' && (
              <button type="button" className="icon-button" onClick={() => dismiss(operation.id)}>
                <Icon name="close" />
                <span className="hidden">Dismiss</span>
              </button>
            )}
          </div>
          <Progress operation={operation} />
        </div>
      ))}
    </section>
  );
}
