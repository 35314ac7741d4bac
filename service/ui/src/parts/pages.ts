import { ICONS } from "./icons";

/** The pages of the navigation, with the second key that opens each after `g`. */
export const PAGES = [
  { to: "/", word: "Home", icon: ICONS.home, key: "h" },
  { to: "/runs", word: "Runs", icon: ICONS.runs, key: "r" },
  { to: "/flows", word: "Flows", icon: ICONS.flows, key: "f" },
  { to: "/deployments", word: "Deploy", icon: ICONS.deployments, key: "d" },
  { to: "/pools", word: "Pools", icon: ICONS.pools, key: "p" },
  { to: "/limits", word: "Limits", icon: ICONS.limits, key: "l" },
  { to: "/artifacts", word: "Artifacts", icon: ICONS.artifacts, key: "i" },
  { to: "/variables", word: "Variables", icon: ICONS.variables, key: "v" },
  { to: "/secrets", word: "Secrets", icon: ICONS.secrets, key: "s" },
  { to: "/access", word: "Access", icon: ICONS.access, key: "a" },
  { to: "/audit", word: "Audit", icon: ICONS.audit, key: "u" },
  { to: "/usage", word: "Usage", icon: ICONS.usage, key: "q" },
  { to: "/settings", word: "Settings", icon: ICONS.settings, key: "," },
] as const;
