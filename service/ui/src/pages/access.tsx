import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { access } from "../api/resources";
import { useRights } from "../api/rights";
import { away, lastPart, ms } from "../format";
import type { ApiKey, Role, ServiceAccount, Trust, User } from "../gen/towpath/api/v1/access_service_pb";
import { Answer, Empty, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Tabs } from "../parts/Tabs";

const route = getRouteApi("/access");
const PAGE = 200;
const time = (name: string, of: (row: never) => string) => ({ name, cell: (row: never) => <span className="muted num">{of(row)}</span> });

const USERS: readonly Column<User>[] = [
  { name: "Member", cell: (user) => <b>{lastPart(user.name)}</b> },
  { name: "Name", cell: (user) => user.displayName },
  time("Since", (user: User) => away(ms(user.createTime))) as Column<User>,
];
const ACCOUNTS: readonly Column<ServiceAccount>[] = [
  { name: "Service account", cell: (account) => <b>{lastPart(account.name)}</b> },
  { name: "Name", cell: (account) => account.displayName },
  time("Since", (account: ServiceAccount) => away(ms(account.createTime))) as Column<ServiceAccount>,
];
const KEYS: readonly Column<ApiKey>[] = [
  { name: "Key", cell: (key) => <code>{key.keyId}</code> },
  { name: "Name", cell: (key) => key.displayName },
  { name: "State", cell: (key) => (key.revokeTime ? <span className="refused">Revoked {away(ms(key.revokeTime))}</span> : "In use") },
  { name: "Last used", wide: true, cell: (key) => <span className="muted num">{away(ms(key.useTime)) || "never"}</span> },
  { name: "Ends", cell: (key) => <span className="muted num">{away(ms(key.expireTime)) || "never"}</span> },
];
const ROLES: readonly Column<Role>[] = [
  { name: "Role", cell: (role) => <><b>{lastPart(role.name)}</b> {role.builtIn && <span className="tag">built in</span>}</> },
  { name: "Name", wide: true, cell: (role) => role.displayName },
  { name: "Permissions", cell: (role) => <span className="muted">{role.permissions.join(", ")}</span> },
];
const TRUSTS: readonly Column<Trust>[] = [
  { name: "Trust", cell: (trust) => <b>{lastPart(trust.name)}</b> },
  { name: "Issuer", cell: (trust) => <span className="mono break">{trust.issuer}</span> },
  { name: "Acts as", cell: (trust) => trust.serviceAccount || "people" },
];

/** Members, keys, roles and trusts. With identity off, everybody may do all. */
export function Access() {
  const { tab = "members" } = route.useSearch();
  const navigate = useNavigate();
  const { caller, identity } = useRights();
  if (!caller) return <Page title="Access"><Skeleton /></Page>;
  if (!identity) {
    return (
      <Page title="Access">
        <Empty title="Identity is off on this server">
          <p>Whoever reaches it may do all. With identity, callers need keys, and each has a role:</p>
          <pre>towpath server start --auth</pre>
        </Empty>
      </Page>
    );
  }
  const tabs = [
    { key: "members", word: "Members", panel: () => <List name="members" label="Members" columns={USERS} ask={async (signal) => (await access.listUsers({ pageSize: PAGE }, { signal })).users} /> },
    { key: "accounts", word: "Service accounts", panel: () => <List name="accounts" label="Service accounts" columns={ACCOUNTS} ask={async (signal) => (await access.listServiceAccounts({ pageSize: PAGE }, { signal })).serviceAccounts} /> },
    { key: "keys", word: "Your keys", panel: () => <List name="keys" label="Your keys" columns={KEYS} ask={async (signal) => (await access.listApiKeys({ pageSize: PAGE }, { signal })).apiKeys} /> },
    { key: "roles", word: "Roles", panel: () => <List name="roles" label="Roles" columns={ROLES} ask={async (signal) => (await access.listRoles({ pageSize: PAGE }, { signal })).roles} /> },
    { key: "trusts", word: "Trusts", panel: () => <List name="trusts" label="Trusts" columns={TRUSTS} ask={async (signal) => (await access.listTrusts({ pageSize: PAGE }, { signal })).trusts} /> },
  ];
  return (
    <Page title="Access" note={caller.tenantDisplayName} actions={<CopyCommand command="towpath member ls" />}>
      <div className="body"><Tabs tabs={tabs} value={tab} choose={(next) => void navigate({ to: "/access", search: { tab: next }, replace: true })} /></div>
    </Page>
  );
}

function List<T extends { name: string }>({ name, label, columns, ask }: { name: string; label: string; columns: readonly Column<T>[]; ask: (signal: AbortSignal) => Promise<T[]> }) {
  const rows = useQuery({ queryKey: ["access", name], queryFn: ({ signal }) => ask(signal) });
  return <Answer of={rows}>{(all) => <Table label={label} rows={all} columns={columns} rowKey={(row) => row.name} empty={<Empty title="None yet" />} />}</Answer>;
}
