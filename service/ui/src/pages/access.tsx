import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { access } from "../api/resources";
import { useRights } from "../api/rights";
import { away, lastPart, ms } from "../format";
import type { ApiKey, Role, ServiceAccount, Trust, User } from "../gen/towpath/api/v1/access_service_pb";
import { Answer, Empty, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Tabs } from "../parts/Tabs";
import { AddAccount, AddKey, AddMember, AddRole, Rotate } from "../actions/Access";

const route = getRouteApi("/access");
const PAGE = 200;
const time = (name: string, of: (row: never) => string) => ({ name, cell: (row: never) => <span className="muted num">{of(row)}</span> });

const ROLES_OF = { name: "Roles", cell: (row: { roles: string[] }) => row.roles.map((role) => <span key={role} className="tag">{role}</span>) };
const USERS: readonly Column<WithRoles<User>>[] = [
  { name: "Member", cell: (user) => <b>{lastPart(user.name)}</b> },
  { name: "Name", cell: (user) => user.displayName },
  ROLES_OF,
  time("Since", (user: User) => away(ms(user.createTime))) as Column<WithRoles<User>>,
];
const ACCOUNTS: readonly Column<WithRoles<ServiceAccount>>[] = [
  { name: "Service account", cell: (account) => <b>{lastPart(account.name)}</b> },
  { name: "Name", cell: (account) => account.displayName },
  ROLES_OF,
  time("Since", (account: ServiceAccount) => away(ms(account.createTime))) as Column<WithRoles<ServiceAccount>>,
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

const COMMANDS: Record<string, string> = {
  accounts: "towpath service-account ls", keys: "towpath key ls", roles: "towpath role ls", trusts: "towpath trust ls",
};

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
    { key: "members", word: "Members", panel: () => <List name="members" label="Members" columns={USERS} ask={async (signal) => withRoles(signal, (await access.listUsers({ pageSize: PAGE }, { signal })).users)} manage="member.manage" add={AddMember}
      remove={{ word: "Remove", ask: "The member goes with all keys and roles, and is signed out everywhere.", act: (row) => access.deleteUser({ name: row.name }), command: (row) => `towpath member rm ${lastPart(row.name)}` }} /> },
    { key: "accounts", word: "Service accounts", panel: () => <List name="accounts" label="Service accounts" columns={ACCOUNTS} ask={async (signal) => withRoles(signal, (await access.listServiceAccounts({ pageSize: PAGE }, { signal })).serviceAccounts)} manage="serviceaccount.manage" add={AddAccount}
      remove={{ word: "Delete", ask: "The account goes with its keys and roles. Programs that use them are refused at once.", act: (row) => access.deleteServiceAccount({ name: row.name }), command: (row) => `towpath service-account delete ${lastPart(row.name)}` }} /> },
    { key: "keys", word: "Your keys", panel: () => <List name="keys" label="Your keys" columns={KEYS} ask={async (signal) => (await access.listApiKeys({ pageSize: PAGE }, { signal })).apiKeys} manage="key.own" add={AddKey} extra={(row, after) => !row.revokeTime && <Rotate apiKey={row} after={after} />}
      remove={{ word: "Revoke", may: (row) => !row.revokeTime, ask: "Whoever uses the key is refused at once, everywhere.", act: (row) => access.revokeApiKey({ name: row.name }), command: (row) => `towpath key revoke ${row.keyId}` }} /> },
    { key: "roles", word: "Roles", panel: () => <List name="roles" label="Roles" columns={ROLES} ask={async (signal) => (await access.listRoles({ pageSize: PAGE }, { signal })).roles} manage="role.manage" add={AddRole}
      remove={{ word: "Delete", may: (row) => !row.builtIn, ask: "A role that somebody has can't be deleted.", act: (row) => access.deleteRole({ name: row.name }), command: (row) => `towpath role delete ${lastPart(row.name)}` }} /> },
    { key: "trusts", word: "Trusts", panel: () => <List name="trusts" label="Trusts" columns={TRUSTS} ask={async (signal) => (await access.listTrusts({ pageSize: PAGE }, { signal })).trusts} manage="trust.manage"
      remove={{ word: "Delete", ask: "All tokens and logins that came of it end.", act: (row) => access.deleteTrust({ name: row.name }), command: (row) => `towpath trust rm ${lastPart(row.name)}` }} /> },
  ];
  return (
    <Page title="Access" note={caller.tenantDisplayName} actions={<CopyCommand command={COMMANDS[tab] ?? "towpath member ls"} />}>
      <div className="body"><Tabs tabs={tabs} value={tab} choose={(next) => void navigate({ to: "/access", search: { tab: next }, replace: true })} /></div>
    </Page>
  );
}

interface Removal<T> {
  word: string;
  ask: string;
  act: (row: T) => Promise<unknown>;
  command: (row: T) => string;
  may?: (row: T) => boolean;
}

interface ListProps<T> {
  name: string;
  label: string;
  columns: readonly Column<T>[];
  ask: (signal: AbortSignal) => Promise<T[]>;
  /** The right to change these. */
  manage: string;
  add?: (props: { after: () => unknown }) => ReactNode;
  extra?: (row: T, after: () => unknown) => ReactNode;
  remove: Removal<T>;
}

function List<T extends { name: string }>({ name, label, columns, ask, manage, add: Add, extra, remove }: ListProps<T>) {
  const rows = useQuery({ queryKey: ["access", name], queryFn: ({ signal }) => ask(signal) });
  const rights = useRights();
  const after = () => rows.refetch();
  const actions: Column<T> = { name: "", cell: (row) => (
    <span className="buttons">
      {extra?.(row, after)}
      {(remove.may?.(row) ?? true) && <Do word={remove.word} what={lastPart(row.name)} ask={remove.ask} act={() => remove.act(row)} after={after} command={remove.command(row)} />}
    </span>
  ) };
  const may = rights.may(manage);
  return (
    <>
      {may && Add && <p className="bar"><Add after={after} /></p>}
      <Answer of={rows}>{(all) => <Table label={label} rows={all} columns={may ? [...columns, actions] : columns} rowKey={(row) => row.name} empty={<Empty title="None yet" />} />}</Answer>
    </>
  );
}

type WithRoles<T> = T & { roles: string[] };

/** Members with the roles that they have; a role in one workspace names it. */
async function withRoles<T extends { name: string }>(signal: AbortSignal, rows: T[]): Promise<WithRoles<T>[]> {
  const bindings = (await access.listRoleBindings({ pageSize: 1000 }, { signal })).roleBindings;
  const rolesOf = (name: string) => bindings.filter((one) => one.principal === name).map((one) => lastPart(one.role) + (one.workspace ? ` in ${lastPart(one.workspace)}` : ""));
  return rows.map((row) => ({ ...row, roles: rolesOf(row.name) }));
}
