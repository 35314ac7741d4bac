import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AuthService } from "../gen/towpath/api/v1/auth_service_pb";
import { FlowService } from "../gen/towpath/api/v1/flow_service_pb";
import { LogService } from "../gen/towpath/api/v1/log_service_pb";
import { RunService } from "../gen/towpath/api/v1/run_service_pb";
import { ServerService } from "../gen/towpath/api/v1/server_service_pb";
import { authorize, session } from "./session";

/** Calls go to the server that the page came from, as binary messages. */
export const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [authorize],
});

export const runs = createClient(RunService, transport);
export const flows = createClient(FlowService, transport);
export const logs = createClient(LogService, transport);
export const server = createClient(ServerService, transport);
export const auth = createClient(AuthService, transport);

session.exchange = async (key) => {
  const got = await auth.exchangeToken({ credential: { case: "apiKey", value: key } });
  return { token: got.accessToken, seconds: Number(got.expiresIn?.seconds ?? 600n) };
};

/** What went wrong, in the server's words. */
export function messageOf(error: unknown): string {
  if (error instanceof ConnectError) {
    if (error.code === Code.Unavailable || error.rawMessage === "Failed to fetch") return "The server can't be reached.";
    return error.rawMessage;
  }
  return error instanceof Error ? error.message : String(error);
}

/** What can be done about it. */
export function adviceOf(error: unknown): string {
  if (!(error instanceof ConnectError)) return "";
  if (error.rawMessage === "Failed to fetch" || error.code === Code.Unavailable)
    return "Start it with: towpath server start";
  if (error.code === Code.PermissionDenied) return "Ask an owner or admin of the tenant for the right.";
  return "";
}

export { Code, ConnectError };
