import { quoted } from "../api/workspace";

const SHORT_ID = /^(?=.*\d)[0-9a-hjkmnp-tv-z]{4,8}$/;

/** The filter that a text means: a short id, an expression, or the beginning of a name. */
export function textFilter(text: string): string {
  const words = text.trim();
  const name = `display_name : ${quoted(`${words}*`)}`;
  if (SHORT_ID.test(words.toLowerCase())) return `(short_id = ${quoted(words.toLowerCase())} OR ${name})`;
  if (/[=<>:]/.test(words)) return `(${words})`;
  return name;
}
