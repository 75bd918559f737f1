import { type FormEvent, useState } from 'react';
import { signIn } from './model.ts';
import { writeSession } from './session.ts';

/** Before the key is known: nothing is shown, and nothing asked. */
export function SignIn({ why }: { why: string | undefined }) {
  const [key, setKey] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const session = { key: key.trim() };
    if (session.key === '') return;
    writeSession(session);
    signIn(session);
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit} className="card">
        <div className="brand large">
          <svg viewBox="0 0 32 32" aria-hidden="true" className="logo">
            <rect width="32" height="32" rx="7" />
            <path d="M8 22 22 8" />
            <path d="M19 11l2-2" />
          </svg>
          <h1>Baton dashboard</h1>
        </div>
        <label className="field">
          <span>API key or token</span>
          <input
            type="password"
            value={key}
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: it is the only thing to do here
            autoFocus
            aria-describedby={why === undefined ? 'key-help' : 'key-error key-help'}
            {...(why === undefined ? {} : { 'aria-invalid': true })}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        {why !== undefined && (
          <p id="key-error" className="note bad" role="alert">
            {why}
          </p>
        )}
        <button type="submit" className="button primary wide" disabled={key.trim() === ''}>
          Sign in
        </button>
        <p id="key-help" className="help">
          A key of a tenant shows what its scopes allow; the service's own token shows everything. It stays in
          this tab and is forgotten with it.
        </p>
      </form>
    </main>
  );
}
