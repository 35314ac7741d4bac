import { prettyJson } from "../../format";
import type { Payload } from "../../gen/towpath/api/v1/common_pb";

const MOST_LETTERS = 100_000;

/** A value as text; empty when there is none. */
export function payloadText(payload: Payload | undefined): string {
  if (!payload) return "";
  const { location } = payload;
  if (location.case === "uri") return location.value;
  if (location.case !== "data") return "";
  const type = payload.contentType || "application/json";
  if (!/json|text/.test(type)) return `${location.value.length} bytes of ${type}`;
  const text = prettyJson(new TextDecoder().decode(location.value));
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}\n… ${text.length - MOST_LETTERS} more letters` : text;
}
