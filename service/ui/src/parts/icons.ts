/** Paths of 16x16 icons, drawn with the line of the text. */
export const ICONS = {
  home: "M3 7.5 8 3l5 4.5V13H3z",
  runs: "M3 4h10M3 8h7M3 12h9",
  flows: "M4 3v7a2 2 0 0 0 2 2h6M4 6h5M10 10l2 2-2 2",
  deployments: "M8 2.5 13 5v6l-5 2.5L3 11V5zM3 5l5 2.5L13 5M8 7.5v6",
  pools: "M3 3.5h10v3.5H3zM3 9.5h10V13H3zM5 5.2h.01M5 11.2h.01",
  limits: "M3 12a5.5 5.5 0 1 1 10 0M8 10l2.5-3.5M8 10h.01",
  artifacts: "M3 3h10v10H3zM3 10l3-3 3 3 2-2 2 2M10.5 5.5h.01",
  variables: "M4 3.5C3 5 2.5 6.5 2.5 8s.5 3 1.5 4.5M12 3.5c1 1.5 1.5 3 1.5 4.5s-.5 3-1.5 4.5M6 6l4 4M10 6l-4 4",
  usage: "M3 13h10M4.5 13V9M8 13V4M11.5 13V7",
  secrets: "M5 7V5a3 3 0 0 1 6 0v2M4 7h8v6H4z",
  access: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3.5 13c.5-2.5 2.3-3.5 4.5-3.5s4 1 4.5 3.5",
  audit: "M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2.5",
  settings: "M3 5h6M12 5h1M3 11h1M7 11h6M10.5 3.5v3M5.5 9.5v3",
  find: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
  theme: "M8 2a6 6 0 1 0 0 12V2ZM8 2a6 6 0 0 1 0 12",
} as const;
