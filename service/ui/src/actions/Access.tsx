import { useQuery } from "@tanstack/react-query";
import { access } from "../api/resources";
import { shellWord } from "../commands";
import { lastPart } from "../format";
import type { ApiKey } from "../gen/towpath/api/v1/access_service_pb";
import { FormButton, Once } from "../parts/FormDialog";

type After = { after: () => unknown };
const DAY = 86_400n;
const role = (name: string): string => (name ? `roles/${name}` : "");

function useRoles(): string[] {
  const found = useQuery({ queryKey: ["access", "roles"], queryFn: async ({ signal }) => (await access.listRoles({ pageSize: 200 }, { signal })).roles });
  return found.data?.map((one) => lastPart(one.name)) ?? [];
}

export function AddMember({ after }: After) {
  const roles = useRoles();
  if (!roles.length) return null;
  return (
    <FormButton label="Add member" title="Add a member" word="Add" after={after}
      asks={[{ name: "email", label: "E-mail address" }, { name: "name", label: "Name", optional: true }, { name: "role", label: "Role", choices: roles }, { name: "key", label: "API key", choices: ["no", "yes"], hint: "Without an issuer to sign in with, a member needs one." }]}
      act={async ({ email, name, role: chosen, key }) => {
        const made = await access.createUser({ email, displayName: name, role: role(chosen), withApiKey: key === "yes" });
        return made.apiKey ? <Once value={made.apiKey} /> : undefined;
      }}
      command={({ email, name, role: chosen, key }) => `towpath member add ${shellWord(email || "EMAIL")} --role ${chosen}${name && ` --name ${shellWord(name)}`}${key === "yes" ? " --with-key" : ""}`} />
  );
}

export function AddAccount({ after }: After) {
  const roles = useRoles();
  if (!roles.length) return null;
  return (
    <FormButton label="New service account" title="New service account" word="Create" after={after}
      asks={[{ name: "id", label: "Account", hint: "Small letters, digits and -." }, { name: "name", label: "Name", optional: true }, { name: "role", label: "Role", choices: roles }]}
      act={async ({ id, name, role: chosen }) => { await access.createServiceAccount({ serviceAccountId: id, displayName: name, role: role(chosen) }); }}
      command={({ id, name, role: chosen }) => `towpath service-account create ${shellWord(id || "ACCOUNT")} --role ${chosen}${name && ` --name ${shellWord(name)}`}`} />
  );
}

export const AddKey = ({ after }: After) => (
  <FormButton label="New key" title="New API key" word="Create" after={after}
    asks={[{ name: "name", label: "Name", hint: "Where it will be used." }, { name: "days", label: "Days until it ends", kind: "number", initial: "90" }]}
    act={async ({ name, days }) => {
      if (!/^[1-9][0-9]*$/.test(days)) throw new Error("Days must be a whole number from 1 to 365");
      return <Once value={(await access.createApiKey({ displayName: name, life: { seconds: BigInt(days) * DAY } })).key} />;
    }}
    command={({ name, days }) => `towpath key create --name ${shellWord(name || "NAME")} --expires ${days}d`} />
);

export const Rotate = ({ apiKey, after }: After & { apiKey: ApiKey }) => (
  <FormButton label="Rotate" title={`Rotate ${apiKey.displayName || apiKey.keyId}`} word="Rotate" after={after}
    asks={[{ name: "hours", label: "Hours that the old key works on", kind: "number", initial: "24" }]}
    act={async ({ hours }) => {
      if (!/^[0-9]+$/.test(hours)) throw new Error("Hours must be a whole number from 0 to 168");
      return <Once value={(await access.rotateApiKey({ name: apiKey.name, overlap: { seconds: BigInt(hours) * 3600n } })).key} />;
    }}
    command={({ hours }) => `towpath key rotate ${apiKey.keyId} --overlap ${hours}h`} />
);

export const AddRole = ({ after }: After) => (
  <FormButton label="New role" title="New role" word="Create" after={after}
    asks={[{ name: "id", label: "Role", hint: "Small letters, digits and -." }, { name: "permissions", label: "Permissions", hint: "Separated by blanks, such as run.read log.read; only such as you have." }]}
    act={async ({ id, permissions }) => { await access.createRole({ roleId: id, permissions: permissions.split(/[\s,]+/).filter(Boolean) }); }}
    command={({ id, permissions }) => `towpath role create ${shellWord(id || "ROLE")} ${permissions || "PERMISSION"}`} />
);
