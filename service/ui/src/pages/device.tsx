import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { auth, messageOf } from "../api/clients";
import { useRights } from "../api/rights";
import { away, ms } from "../format";
import { Answer, Empty } from "../parts/Answer";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";

const route = getRouteApi("/device");

/** Approves the sign-in of a program on another machine, by the code that it shows. */
export function Device() {
  const { code = "" } = route.useSearch();
  const navigate = useNavigate();
  const { caller, identity } = useRights();
  const [text, setText] = useState(code);
  const look = (event: FormEvent) => {
    event.preventDefault();
    void navigate({ to: "/device", search: { code: text.trim().toUpperCase() } });
  };
  return (
    <Page title="Sign in a device" scrolls>
      {caller && !identity ? <Empty title="Identity is off on this server"><p>Programs need no sign-in.</p></Empty> : (
        <section className="card">
          <form className="inline-form" onSubmit={look}>
            <label htmlFor="code">Code that the program shows</label>
            <input id="code" className="mono" value={text} required maxLength={32} autoComplete="off" onChange={(event) => setText(event.target.value)} />
            <button className="small">Look it up</button>
          </form>
          {code && <Asked key={code} code={code} />}
        </section>
      )}
    </Page>
  );
}

function Asked({ code }: { code: string }) {
  const asked = useQuery({ queryKey: ["device", code], retry: false, staleTime: 0, gcTime: 0, queryFn: ({ signal }) => auth.getDeviceSignIn({ userCode: code }, { signal }) });
  const approve = useMutation({ mutationFn: () => auth.approveDeviceSignIn({ userCode: code }) });
  if (approve.data) return <p role="status" className="fine">{approve.data.clientName || "The program"} is signed in as you. You can close this page.</p>;
  return (
    <Answer of={asked} lines={3}>
      {(found) => (
        <>
          <dl className="pairs">
            <div><dt>Program</dt><dd><Name text={found.clientName || "unnamed"} /></dd></div>
            <div><dt>Address</dt><dd><code>{found.clientAddress}</code></dd></div>
            <div><dt>Asked</dt><dd className="num">{away(ms(found.createTime))}</dd></div>
          </dl>
          <p>It will be able to do all that you may. Approve only what you have started yourself.</p>
          {approve.error && <p role="alert" className="refused">{messageOf(approve.error)}</p>}
          <p className="buttons"><button className="small primary" disabled={approve.isPending} onClick={() => approve.mutate()}>Approve</button></p>
        </>
      )}
    </Answer>
  );
}
