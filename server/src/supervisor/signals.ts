/** What the signals of a supervisor mean. */
export interface SignalActions {
  /** First SIGINT or SIGTERM. */
  stop(signal: NodeJS.Signals): void;
  /** Any further one. */
  kill(signal: NodeJS.Signals): void;
  /** SIGHUP. */
  reload(): void;
  /** Called once a second signal would count. */
  armed?(): void;
}

/**
 * One Ctrl-C may arrive several times: from the terminal, from npm and from the launcher. Signals that close
 * together count as one.
 */
const sameKeypressMs = 400;

/** @returns takes the handlers off again */
export function handleSignals(actions: SignalActions): () => void {
  let first = 0;
  const end = (signal: NodeJS.Signals) => {
    if (first === 0) {
      first = Date.now();
      setTimeout(() => actions.armed?.(), sameKeypressMs).unref();
      actions.stop(signal);
    } else if (Date.now() - first >= sameKeypressMs) {
      actions.kill(signal);
    }
  };
  let reloadedAt = 0;
  const onTerminal = process.stdout.isTTY === true;
  const hangUp = () => {
    // A terminal that was closed sends this signal too; then nobody is there to use the service.
    if (onTerminal && !terminalThere()) return end('SIGHUP');
    if (Date.now() - reloadedAt < sameKeypressMs) return;
    reloadedAt = Date.now();
    actions.reload();
  };
  process.on('SIGINT', end).on('SIGTERM', end).on('SIGHUP', hangUp);
  return () => void process.off('SIGINT', end).off('SIGTERM', end).off('SIGHUP', hangUp);
}

function terminalThere(): boolean {
  try {
    // Some report 0 by 0; one that is gone has no size at all.
    return Array.isArray(process.stdout.getWindowSize());
  } catch {
    return false;
  }
}
