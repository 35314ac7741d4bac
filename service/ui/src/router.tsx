import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Empty } from "./parts/Answer";
import { Shell } from "./parts/Shell";
import { NewVersion } from "./parts/NewVersion";
import type { RunsSearch } from "./pages/runs";
import type { RunSearch } from "./pages/run";
import { Runs } from "./pages/runs";

const text = (value: unknown): string | undefined =>
  (typeof value === "string" || typeof value === "number") && value !== "" ? String(value) : undefined;

/** Takes the known parameters of an address, as texts. */
const known = <T extends object>(keys: readonly (keyof T & string)[]) => (search: Record<string, unknown>): T =>
  Object.fromEntries(keys.map((key) => [key, text(search[key])]).filter(([, value]) => value !== undefined)) as T;

const root = createRootRoute({
  component: Shell,
  errorComponent: NewVersion,
  notFoundComponent: () => <main className="page"><h1 className="sr">Not found</h1><Empty title="There is no such page"><p>Ctrl K finds runs and flows.</p></Empty></main>,
});
const under = { getParentRoute: () => root };

const home = createRoute({ ...under, path: "/", component: lazyRouteComponent(() => import("./pages/home"), "Home") });
const runs = createRoute({ ...under, path: "/runs", component: Runs, validateSearch: known<RunsSearch>(["state", "flow", "kind", "since", "q"]) });
const run = createRoute({
  ...under, path: "/runs/$id", component: lazyRouteComponent(() => import("./pages/run"), "RunPage"),
  validateSearch: known<RunSearch>(["task", "tab", "state", "path"]),
});
const flows = createRoute({ ...under, path: "/flows", component: lazyRouteComponent(() => import("./pages/flows"), "Flows") });
const flow = createRoute({ ...under, path: "/flows/$flow", component: lazyRouteComponent(() => import("./pages/flow"), "FlowPage") });
const deployments = createRoute({ ...under, path: "/deployments", component: lazyRouteComponent(() => import("./pages/deployments"), "Deployments") });
const deployment = createRoute({
  ...under, path: "/deployments/$flow/$deployment", component: lazyRouteComponent(() => import("./pages/deployment"), "DeploymentPage"),
});
const pools = createRoute({ ...under, path: "/pools", component: lazyRouteComponent(() => import("./pages/pools"), "Pools") });
const pool = createRoute({ ...under, path: "/pools/$pool", component: lazyRouteComponent(() => import("./pages/pool"), "PoolPage") });
const limits = createRoute({ ...under, path: "/limits", component: lazyRouteComponent(() => import("./pages/limits"), "Limits") });
const limit = createRoute({ ...under, path: "/limits/$limit", component: lazyRouteComponent(() => import("./pages/limits"), "LimitPage") });
const artifacts = createRoute({ ...under, path: "/artifacts", component: lazyRouteComponent(() => import("./pages/artifacts"), "Artifacts"), validateSearch: known<{ all?: string; key?: string }>(["all", "key"]) });
const artifact = createRoute({ ...under, path: "/artifacts/$artifact", component: lazyRouteComponent(() => import("./pages/artifacts"), "ArtifactPage") });
const variables = createRoute({ ...under, path: "/variables", component: lazyRouteComponent(() => import("./pages/variables"), "Variables") });
const device = createRoute({ ...under, path: "/device", component: lazyRouteComponent(() => import("./pages/device"), "Device"), validateSearch: known<{ code?: string }>(["code"]) });
const usage = createRoute({ ...under, path: "/usage", component: lazyRouteComponent(() => import("./pages/usage"), "UsagePage") });
const secrets = createRoute({ ...under, path: "/secrets", component: lazyRouteComponent(() => import("./pages/secrets"), "Secrets") });
const access = createRoute({ ...under, path: "/access", component: lazyRouteComponent(() => import("./pages/access"), "Access"), validateSearch: known<{ tab?: string }>(["tab"]) });
const audit = createRoute({ ...under, path: "/audit", component: lazyRouteComponent(() => import("./pages/audit"), "Audit") });
const settings = createRoute({ ...under, path: "/settings", component: lazyRouteComponent(() => import("./pages/settings"), "Settings") });

export const router = createRouter({
  routeTree: root.addChildren([home, runs, run, flows, flow, deployments, deployment, pools, pool, limits, limit, artifacts, artifact, variables, device, usage, secrets, access, audit, settings]),
  defaultPreload: "intent",
  // Plain parameters, so that addresses can be read and written by hand.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== "") as [string, string][];
    return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
