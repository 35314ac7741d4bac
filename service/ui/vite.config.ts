import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Files are referenced by their hash, so that a browser keeps them for good. Nothing is inlined:
// the policy of the page has no exception for inline code or data.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    outDir: process.env.TOWPATH_UI_OUT ?? "../towpath_service/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/towpath.api.v1.": "http://127.0.0.1:4733" } },
});
