const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;
// Marks that turn the direction of text, and characters that are not seen: a line can't pass for another.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** A line of a log in plain characters, shortened to a number of letters. */
export function plainLine(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(ESCAPES, "").replace(/[\n\t]+/g, " ").replace(HIDDEN, (mark) => (mark < " " ? " " : "�"));
}
