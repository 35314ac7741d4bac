import { plainLine } from "./ansi";

const MOST_LETTERS = 255;

/** A name that somebody gave, apart from the direction of the text around it. */
export const Name = ({ text }: { text: string }) => <bdi>{plainLine(text, MOST_LETTERS)}</bdi>;
