import { Dialog } from "./Dialog";
import { PAGES } from "./pages";

const KEYS: readonly [group: string, keys: readonly [string, string][]][] = [
  ["Everywhere", [["Ctrl K", "Find"], ["?", "These keys"], ...PAGES.map((page): [string, string] => [`g ${page.key}`, page.word])]],
  ["Lists of runs", [["/", "Filter"], ["j  k", "Go down, up"], ["x", "Choose"], ["Enter", "Open"]]],
  ["A run", [["1 … 5", "Tabs"], ["t", "Go to the timeline"], ["← →", "Next, previous task run"], ["e", "Next error"], ["u", "Upstream"], ["+ −", "Zoom"], ["f", "Fit"], ["Esc", "Close the task run"]]],
];

export function Keys({ close }: { close: () => void }) {
  return (
    <Dialog title="Keys" close={close} wide>
      <div className="keys">
        {KEYS.map(([group, keys]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>{keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
