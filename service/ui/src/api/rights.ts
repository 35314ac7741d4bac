import { useQuery } from "@tanstack/react-query";
import type { GetCallerResponse } from "../gen/towpath/api/v1/auth_service_pb";
import { auth } from "./clients";
import { workspace } from "./workspace";

export interface Rights {
  caller: GetCallerResponse | undefined;
  /** Whether the server asks callers who they are. */
  identity: boolean;
  may: (permission: string) => boolean;
}

export const useCaller = () =>
  useQuery({ queryKey: ["caller"], staleTime: 60_000, retry: false, queryFn: ({ signal }) => auth.getCaller({}, { signal }) });

/** What the caller may do. Actions beyond it aren't shown; the server decides all the same. */
export function useRights(): Rights {
  const caller = useCaller().data;
  const own = caller?.workspaceGrants.find((grant) => grant.workspace === workspace());
  const granted = new Set([...(caller?.tenantPermissions ?? []), ...(own?.permissions ?? [])]);
  const identity = caller?.identity ?? false;
  return { caller, identity, may: (permission) => caller !== undefined && (!identity || granted.has(permission)) };
}
