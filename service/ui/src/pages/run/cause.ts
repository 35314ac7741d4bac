import { typeName, userFrame } from "../../format";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import type { Failure } from "../../gen/towpath/api/v1/common_pb";
import { BAD, lookOf } from "../../states";

/** A failure in the reader's words. */
export interface Cause {
  type: string;
  message: string;
  place: string;
  code: string;
}

/** What a failed run says of itself; null for one that has no failure. */
export function causeOf(run: Run): Cause | null {
  if (run.failure) return fromFailure(run.failure);
  if (!BAD.has(run.state)) return null;
  return { type: lookOf(run.state).word, message: run.stateMessage, place: "", code: "" };
}

function fromFailure(failure: Failure): Cause {
  const frame = userFrame(failure.stackTrace);
  return { type: typeName(failure.type), message: failure.message, place: frame?.place ?? "", code: frame?.code ?? "" };
}

/** The failures that led to a failure, the nearest first. */
export function causesOf(failure: Failure | undefined): Failure[] {
  const chain: Failure[] = [];
  for (let one = failure?.cause; one && chain.length < 8; one = one.cause) chain.push(one);
  return chain;
}
