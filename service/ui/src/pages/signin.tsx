import { useState, type FormEvent } from "react";
import { messageOf } from "../api/clients";
import { session } from "../api/session";
import { useTitle } from "../parts/use";

/** Takes an API key. It stays in the memory of this tab. */
export function SignIn() {
  const [key, setKey] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  useTitle("Sign in");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    session.signIn(key.trim()).then(() => location.hash || undefined, (failure) => setError(messageOf(failure))).finally(() => setBusy(false));
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit}>
        <img src="/favicon.svg" width="40" height="40" alt="" />
        <h1>Sign in to Towpath</h1>
        <label htmlFor="key">API key</label>
        <input id="key" type="password" autoComplete="off" autoFocus required value={key} onChange={(e) => setKey(e.target.value)} aria-describedby="key-note" />
        <p id="key-note" className="muted">The key stays in this tab, and is forgotten when the tab is closed or loaded again. Make one with <code>towpath key create</code>.</p>
        {error && <p role="alert" className="refused">{error}</p>}
        <button className="small primary" disabled={busy || !key.trim()}>{busy ? "Signing in" : "Sign in"}</button>
      </form>
    </main>
  );
}
