import { useEffect, useState } from "react";

/** Copies a text; says so for a moment. */
export function Copy({ text, label, className = "small", title }: { text: string; label: string; className?: string; title?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1400);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => void navigator.clipboard?.writeText(text).then(() => setDone(true), () => {});
  return (
    <button className={className} title={title ?? text} onClick={copy}>
      {done ? "Copied" : label}
      <span className="sr" aria-live="polite">{done ? `Copied: ${text}` : ""}</span>
    </button>
  );
}

/** The command that does the same in a terminal. */
export const CopyCommand = ({ command }: { command: string }) => (
  <Copy text={command} label="Copy command" title={`Copy as command line: ${command}`} />
);
