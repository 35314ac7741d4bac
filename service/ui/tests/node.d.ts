/** The one function of Node that tests use; its types would be a package more. */
declare module "node:fs" {
  export function readFileSync(path: URL, encoding: "utf8"): string;
}
