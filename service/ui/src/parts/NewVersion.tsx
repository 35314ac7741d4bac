import { messageOf } from "../api/clients";

const CHUNK = /dynamically imported module|Importing a module script failed/;

/** An error that no page expected. After an upgrade an open page asks for files that are gone. */
export function NewVersion({ error }: { error: unknown }) {
  const old = error instanceof Error && CHUNK.test(error.message);
  return (
    <main className="page">
      <div className="empty" role="alert">
        <h1>{old ? "The server has a new version of this page" : "This page has an error"}</h1>
        {!old && <p>{messageOf(error)}</p>}
        <button className="small" onClick={() => location.reload()}>Load it again</button>
      </div>
    </main>
  );
}
