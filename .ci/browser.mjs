// Looks at each page of the site in a headless Chromium: three widths, light and dark.
//
//     node browser.mjs SITE PICTURES
//
// A page must ask for nothing from elsewhere, run without an error, be no wider than its window, and have nothing that
// axe finds fault with by WCAG 2.1, A and AA. A picture of each is left in the folder PICTURES, to be looked at.
// CHROMIUM names the browser, if it is not /usr/bin/chromium.

import { createReadStream, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

import { chromium } from "playwright-core";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

const [site, pictures] = process.argv.slice(2);
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const pages = readdirSync(site, { recursive: true }).filter((path) => path.endsWith(".html")).sort();
const problems = new Map();

function note(problem, where) {
  problems.set(problem, [...(problems.get(problem) ?? []), where]);
}

function answer(request, response) {
  const path = join(site, decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  if (!existsSync(path)) {
    note(`nothing is at ${request.url}`, request.headers.referer ?? "");
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
  createReadStream(path).pipe(response);
}

function fault(rule, node) {
  const colours = node.any.map((check) => check.data).find((data) => data?.fgColor);
  const said = colours ? ` ${colours.fgColor} on ${colours.bgColor} is ${colours.contrastRatio}` : "";
  return `${rule.help}:${said} ${node.target.join(" ").replace(/:nth-child\(\d+\)|\[href[^\]]*\]/g, "")}`;
}

async function look(page, name, where, origin) {
  await page.goto(`${origin}/${name}`, { waitUntil: "load" });
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (excess > 0) note("wider than the window", `${where}, by ${excess}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate((runOnly) => axe.run(document, { runOnly }), RULES);
  for (const rule of violations) for (const node of rule.nodes) note(fault(rule, node), where);
  await page.screenshot({ path: join(pictures, `${where.replaceAll(/[/ ]/g, "-")}.png`), fullPage: true });
}

async function lookAtAll(browser, width, colorScheme, origin) {
  const viewport = { width, height: 900 };
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  let where = "";
  page.on("request", (request) => request.url().startsWith(origin) || note(`asks for ${request.url()}`, where));
  page.on("pageerror", (error) => note(`an error: ${error.message}`, where));
  for (const name of pages) {
    where = `${name.replace(/\.html$/, "")} ${width} ${colorScheme}`;
    await look(page, name, where, origin);
  }
  await context.close();
}

mkdirSync(pictures, { recursive: true });
const server = createServer(answer);
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: QUIET });
for (const colorScheme of ["light", "dark"]) {
  for (const width of [400, 900, 1400]) {
    await lookAtAll(browser, width, colorScheme, origin);
  }
}
await browser.close();
server.close();
for (const [problem, where] of problems) {
  console.log(`${problem}\n    ${where.length} times, such as ${where.slice(0, 2).join("; ")}`);
}
console.log(`${pages.length} pages, ${problems.size} kinds of problems; pictures are in ${pictures}`);
process.exit(problems.size || !pages.length ? 1 : 0);
