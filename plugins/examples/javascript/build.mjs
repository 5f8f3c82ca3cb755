// node build.mjs SOURCE WIT-FOLDER COMPONENT

import { writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { componentize } from "@bytecodealliance/componentize-js";

const [source, witPath, out] = process.argv.slice(2);
const { component } = await componentize(readFileSync(source, "utf8"), {
  witPath,
  worldName: "plugin",
  // Nothing of WASI is needed, so that nothing of it is imported.
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
await writeFile(out, component);
