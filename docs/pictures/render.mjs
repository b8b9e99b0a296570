// Draws each .dot file of this folder: `make pictures`. The SHA-256 of the source is noted in the picture, so that a test
// can tell a picture that is older than its source.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { Graphviz } from "@hpcc-js/wasm-graphviz";

const graphviz = await Graphviz.load();
const here = new URL("./", import.meta.url);

for (const name of (await readdir(here)).filter((name) => name.endsWith(".dot")).sort()) {
  const source = (await readFile(new URL(name, here), "utf8")).replaceAll("\r\n", "\n");
  const digest = createHash("sha256").update(source).digest("hex");
  const svg = graphviz.layout(source, "svg", "dot");
  // Only the element itself: the declaration and the document type before it are of no use on a page.
  const drawing = svg
    .slice(svg.indexOf("<svg"))
    // Laid out in the widest of these fonts, so that the text fits in whichever the reader has.
    .replaceAll('font-family="Verdana"', 'font-family="Verdana, DejaVu Sans, Helvetica, Arial, sans-serif"');
  await writeFile(new URL(name.replace(/\.dot$/, ".svg"), here), `<!-- ${name} sha256:${digest} -->\n${drawing}`);
  console.log(`${name}: drawn by Graphviz ${graphviz.version()}`);
}
process.exit(0); // the module's memory would keep the process alive
