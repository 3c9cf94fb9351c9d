// Debian's Chromium, and what every page must satisfy.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { PASSWORD } from "./server.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const EXECUTABLE = process.env.FIELDPOOL_CHROMIUM ?? "/usr/bin/chromium";

export const CHINESE = "zh-CN";
export const ENGLISH = "en-GB";
/** A desk and a phone, each in both languages. */
export const VIEWS = [
  { width: 1280, height: 860, locale: CHINESE },
  { width: 1280, height: 860, locale: ENGLISH },
  { width: 390, height: 844, locale: CHINESE },
  { width: 390, height: 844, locale: ENGLISH },
];

export function launch() {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

/** A page of a fresh browser profile; an error in a script fails the test. */
export async function open(browser, { width, height, locale, script = true, colorScheme = "light" } = {}) {
  const context = await browser.newContext({
    viewport: { width: width ?? 1280, height: height ?? 860 },
    locale: locale ?? ENGLISH,
    timezoneId: "Asia/Shanghai",
    javaScriptEnabled: script,
    colorScheme,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`a script failed: ${error}`));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) assert.fail(message.text());
  });
  return page;
}

/** Signs in by the form and waits for the list. */
export async function signIn(page, server, login) {
  await page.goto(`${server.url}/sign-in`);
  await page.fill("#login", login);
  await page.fill("#password", PASSWORD);
  await page.click("main button");
  await page.waitForURL(`${server.url}/customers`);
}

/** WCAG 2.2 AA without a violation, and nothing wider than the screen. */
export async function check(page) {
  // By the tools of the browser, which a page's policy does not bind.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result } = await session.send("Runtime.evaluate", {
    expression: `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((found) =>
      JSON.stringify(found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)])))`,
    awaitPromise: true,
  });
  await session.detach();
  assert.equal(result.value, "[]", page.url());
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${page.url()} is ${over} px wider than the screen`);
}
