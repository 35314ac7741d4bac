import { durationMs, span } from "../format";
import type { Schedule } from "../gen/towpath/api/v1/deployment_pb";

/** When a schedule is due, in a few words. */
export function ruleText(schedule: Schedule): string {
  const { rule } = schedule;
  if (rule.case === "cron") return [rule.value.expression, rule.value.timeZone].filter(Boolean).join(" ");
  if (rule.case === "interval") return `every ${span(durationMs(rule.value.interval))}`;
  if (rule.case === "recurrence") return rule.value.rrule;
  return "";
}
