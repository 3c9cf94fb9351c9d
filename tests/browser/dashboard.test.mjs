// The dashboard as people use it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CHINESE, VIEWS, check, launch, open, signIn } from "./browser.mjs";
import { fill, phone, startServer } from "./server.mjs";

/** What a page of the dashboard may weigh on its way, with all it loads. */
const PAGE_BYTES_MAX = 100 * 1024;

/** Chooses somebody whose customers are handed over, and looks at what he has. */
async function leave(page, name) {
  const value = await page.locator("#from option", { hasText: name }).getAttribute("value");
  await page.selectOption("#from", value);
  await page.click("main button.main");
}

describe("the dashboard", () => {
  let server, browser, org;
  before(async () => {
    server = await startServer();
    ({ org } = fill(server));
    await server.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  for (const view of VIEWS) {
    test(`every page is accessible at ${view.width} px in ${view.locale}`, async () => {
      const page = await open(browser, view);
      await page.goto(`${server.url}/sign-in`);
      await check(page);
      await signIn(page, server, "boss");
      assert.equal(await page.getAttribute("html", "lang"), view.locale === CHINESE ? "zh-CN" : "en");
      await check(page);
      await page.locator("input[name=customer]").first().check();
      await page.click("#assign-some");
      await page.waitForSelector("#to");
      await check(page);
      await page.goto(`${server.url}/customers?q=nobody-has-this-name`);
      await check(page);
      await page.goto(`${server.url}/customers`);
      await page.locator(".rows .name a").first().click();
      await page.waitForSelector(".timeline");
      await page.click("#edit summary");
      await check(page);
      await page.locator(".facts .quiet-link").first().click();
      await page.waitForSelector(".history");
      await check(page);
      await page.goto(`${server.url}/handover`);
      await check(page);
      await leave(page, "张伟");
      await page.waitForSelector("#to-0");
      for (const summary of await page.locator("main details summary").all()) await summary.click();
      await check(page);
      await page.selectOption("#to-0", { label: "陈静" });
      await page.selectOption("#to-1", { label: "黄丽" });
      await page.click("main button.main");
      await page.waitForSelector(".figures");
      await check(page);
      for (const path of ["/devices", "/nowhere", "/sign-in/link/used"]) {
        await page.goto(server.url + path);
        await check(page);
      }
      await page.context().close();
    });
  }

  test("dark colours are as readable", async () => {
    const page = await open(browser, { colorScheme: "dark" });
    await page.goto(`${server.url}/sign-in`);
    await check(page);
    await signIn(page, server, "boss");
    await check(page);
    await page.locator(".rows .name a").first().click();
    await page.waitForSelector(".timeline");
    await check(page);
    await page.goto(`${server.url}/devices`);
    await check(page);
    await page.context().close();
  });

  test("without a script one signs in, searches, filters and turns pages", async () => {
    const page = await open(browser, { script: false });
    await signIn(page, server, "boss");
    assert.equal(await page.locator(".rows tbody tr").count(), 50);
    await page.click("a[rel=next]");
    await page.waitForURL("**/customers?after=*");
    assert.equal(await page.locator(".rows tbody tr").count(), 50);
    await page.fill("#q", "客户0007");
    await page.click("form[role=search] button");
    await page.waitForURL((url) => url.searchParams.get("q") === "客户0007" && url.searchParams.size === 1);
    assert.equal(await page.locator(".rows tbody tr").count(), 1);
    await page.locator(".rows .name a").click();
    await page.fill("#text", "没有脚本也能写");
    await page.click("#follow-up button");
    await page.waitForURL(/[?]done=follow-up$/);
    assert.ok(await page.getByText("没有脚本也能写").isVisible());
    await page.goto(`${server.url}/customers?q=客户0007`);
    await page.locator("input[name=customer]").check();
    await page.click("#assign-some");
    await page.selectOption("#to", { label: "张伟" });
    await page.click("main button.main");
    await page.waitForURL(/[?&]handed=1$/);
    await page.context().close();
  });

  test("without a script everything of a person is handed over in shares, read and taken back", async () => {
    const page = await open(browser, { script: false });
    await signIn(page, server, "boss");
    const owned = async (name) => {
      await page.goto(`${server.url}/handover`);
      return page.locator("#from option", { hasText: name }).count();
    };
    assert.equal(await owned("张伟"), 1);
    await leave(page, "张伟");
    await page.selectOption("#to-0", { label: "陈静" });
    await page.selectOption("#to-1", { label: "黄丽" });
    await page.fill("#share-1", "2");
    await page.fill("#reason", "离职");
    await page.click("main button.main");
    await page.locator("form[action='/handover/confirm'] button").click();
    await page.waitForURL(/[?]done=handover$/);
    // What went to the other team its manager no longer sees; how much it is, he does.
    const rows = page.locator(".figures tbody tr");
    assert.deepEqual(await rows.locator("th").allTextContents(), ["陈静", "黄丽", "In all"]);
    const [one, two, all] = await rows.locator("td:nth-child(2)").allTextContents();
    assert.equal(Number(one) + Number(two), Number(all));
    await page.locator(".brief .tabs a", { hasText: "陈静" }).click();
    await page.waitForURL(/[?]to=person/);
    assert.equal(await page.locator("article.card").count(), Number(one));
    const handover = page.url().split("?")[0];
    assert.equal(await owned("张伟"), 0);
    await page.goto(handover);
    await page.locator(".sure summary").click();
    await page.locator(".sure button").click();
    await page.waitForURL(/[?]done=undo$/);
    assert.equal(await owned("张伟"), 1);
    await page.context().close();
    for (const view of [{ width: 1280, locale: CHINESE }, { width: 390 }]) {
      const reader = await open(browser, view);
      await signIn(reader, server, "boss");
      for (const path of [handover, `${server.url}/handover`]) {
        await reader.goto(path);
        await check(reader);
      }
      await reader.context().close();
    }
  });

  test("without a script somebody on leave is covered, and the cover is ended", async () => {
    const page = await open(browser, { script: false });
    await signIn(page, server, "boss");
    await page.goto(`${server.url}/handover`);
    await page.click("a[href='/covers']");
    const value = await page.locator("#of option", { hasText: "张伟" }).getAttribute("value");
    await page.selectOption("#of", value);
    await page.selectOption("#by", { label: "黄丽" });
    await page.fill("#until", new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10));
    await page.fill("#reason", "年假");
    await page.click("main button.main");
    await page.waitForURL(/[?]done=begun$/);
    for (const view of [{ width: 1280, locale: CHINESE }, { width: 390 }]) {
      const reader = await open(browser, view);
      await signIn(reader, server, "boss");
      await reader.goto(`${server.url}/covers`);
      await reader.locator(".sure summary").click();
      await check(reader);
      await reader.context().close();
    }
    await page.locator(".sure summary").click();
    await page.locator(".sure button").click();
    await page.waitForURL(/[?]done=ended$/);
    assert.equal(await page.locator(".sure").count(), 0);
    await page.context().close();
  });

  test("people and the quarantine are accessible, and an administrator begins a departure without a script", async () => {
    const admin = server.admin("user", "add", "--org", org, "--login", "ada", "--name", "艾达", "--role", "admin");
    assert.ok(admin.user);
    const page = await open(browser, { script: false });
    await signIn(page, server, "ada");
    await page.goto(`${server.url}/people?q=黄丽`);
    const row = page.locator(".people tbody tr");
    await row.locator("summary", { hasText: "Begin the departure" }).click();
    await row.locator("button", { hasText: "Begin the departure" }).click();
    await page.waitForURL(/[?]done=state/);
    assert.ok(await page.getByText("黄丽 is leaving").isVisible());
    await page.goto(`${server.url}/people?q=黄丽`);
    await row.locator("summary", { hasText: "Works here again" }).click();
    await row.locator("button", { hasText: "Let sign in again" }).click();
    await page.waitForURL(/[?]done=state/);
    await page.context().close();
    for (const view of [{ width: 1280, locale: CHINESE }, { width: 390 }]) {
      const reader = await open(browser, view);
      await signIn(reader, server, "ada");
      for (const path of ["/people", "/quarantine"]) {
        await reader.goto(`${server.url}${path}`);
        await check(reader);
      }
      await reader.context().close();
    }
  });

  test("search follows the typing, keeps the address and says when nothing matches", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    await page.click("#q");
    await page.keyboard.type("客户0011");
    await page.waitForURL((url) => url.searchParams.get("q") === "客户0011");
    await page.waitForFunction(() => document.querySelectorAll(".rows tbody tr").length === 1);
    assert.equal(new URL(page.url()).searchParams.size, 1);
    assert.equal(await page.evaluate(() => document.activeElement.id), "q");
    await page.keyboard.type("x");
    await page.waitForSelector(".empty");
    await page.goBack();
    await page.waitForURL((url) => url.searchParams.get("q") === "客户0011");
    await page.goto(`${server.url}/customers`);
    await page.selectOption("#stage", { label: "Won" });
    await page.waitForURL("**/customers?stage=won");
    await page.waitForFunction(() => [...document.querySelectorAll(".rows .stage")].every((cell) => cell.textContent.trim() === "Won"));
    await page.context().close();
  });

  test("a selection is kept over pages and handed over", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    await page.locator("input[name=customer]").nth(2).check();
    await page.click("a[rel=next]");
    await page.waitForURL("**/customers?after=*");
    await page.locator("input[name=customer]").nth(1).check();
    assert.equal(await page.textContent("#chosen"), "2 selected");
    await page.click("#assign-some");
    await page.waitForSelector("#to");
    assert.ok(await page.getByRole("heading", { name: "Assign 2 customers" }).isVisible());
    await page.selectOption("#to", { label: "张伟" });
    await page.fill("#reason", "路近");
    await page.click("main button.main");
    await page.waitForURL(/[?&]handed=2$/);
    assert.ok(await page.getByText("2 customers were assigned.").isVisible());
    await page.goto(`${server.url}/customers`);
    assert.equal(await page.textContent("#chosen"), "0 selected");
    await page.context().close();
  });

  test("a phone's sync is on the open pages at once, and what one is doing there stays", async () => {
    const rep = phone(server, "zhangwei");
    const [mine] = rep("customers").filter((customer) => customer.relation === "owner");
    const [list, customer] = [await open(browser), await open(browser)];
    for (const page of [list, customer]) await signIn(page, server, "boss");
    const name = mine.name;
    await list.goto(`${server.url}/customers?q=${encodeURIComponent(name)}`);
    await customer.goto(`${server.url}/customers/${mine.id}`);
    for (const page of [list, customer]) await page.waitForSelector("html[data-live=on]");
    await list.locator("input[name=customer]").check();
    await customer.click("#edit summary");
    rep("visit", "add", mine.id, "--note", "看了新设备，有意向");
    rep("customer", "set", mine.id, `name=${name}二部`);
    rep("sync");
    const began = performance.now();
    await customer.getByText("看了新设备，有意向").waitFor();
    await list.getByRole("link", { name: `${name}二部` }).waitFor();
    console.log(`# a phone's sync is on the open pages after ${Math.round(performance.now() - began)} ms`);
    assert.ok(await list.locator("input[name=customer]").isChecked());
    assert.ok(await customer.locator("#edit").evaluate((edit) => edit.open));
    for (const page of [list, customer]) await page.context().close();
  });

  test("what a phone brings while a page is still connecting is on it too", async () => {
    const rep = phone(server, "chenjing");
    const [mine] = rep("customers").filter((customer) => customer.relation === "owner");
    const page = await open(browser);
    await signIn(page, server, "boss");
    let connect;
    const held = new Promise((resolve) => { connect = resolve; });
    await page.route("**/events", async (route) => { await held; await route.continue(); });
    await page.goto(`${server.url}/customers/${mine.id}`);
    rep("visit", "add", mine.id, "--note", "页面还没连上");
    rep("sync");
    connect();
    await page.getByText("页面还没连上").waitFor();
    await page.context().close();
  });

  test("two offline edits of one field are both shown, and one is chosen", async () => {
    const [one, other] = [phone(server, "chenjing"), await open(browser)];
    const [mine] = one("customers").filter((customer) => customer.relation === "owner");
    await signIn(other, server, "boss");
    one("customer", "set", mine.id, "address=人民路 1 号");
    await other.goto(`${server.url}/customers/${mine.id}`);
    await other.click("#edit summary");
    await other.fill("#card-address", "解放路 2 号");
    await other.click("#edit button");
    await other.waitForURL(/[?]done=edit$/);
    one("sync");
    const dispute = other.locator(".dispute");
    await dispute.waitFor();
    assert.deepEqual((await dispute.locator(".value").allTextContents()).sort(), ["人民路 1 号", "解放路 2 号"]);
    await check(other);
    await dispute.locator("li", { hasText: "人民路" }).getByRole("button").click();
    await other.waitForURL(/[?]done=resolve$/);
    assert.equal(await other.locator(".dispute").count(), 0);
    one("sync");
    assert.equal(one("customer", "show", mine.id).card.fields?.address ?? one("customer", "show", mine.id).card.address, "人民路 1 号");
    await other.goto(`${server.url}/devices`);
    assert.ok(await other.getByText("陈静").isVisible());
    await other.context().close();
  });

  test("the live dot goes red while the server is gone, and the page catches up afterwards", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    await page.waitForSelector("html[data-live=on]");
    const listen = new URL(server.url).host;
    await server.halt();
    await page.waitForSelector("#live.stale");
    assert.match(await page.textContent("#live"), /^Not live since \d\d:\d\d/);
    assert.equal(await page.locator(".rows tbody tr").count(), 50, "the old content stays");
    await server.start(listen);
    await page.waitForSelector("html[data-live=on]");
    assert.equal(await page.textContent("#live"), "Live");
    await page.context().close();
  });

  test("a page whose session has ended elsewhere leads to the door", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    await page.waitForSelector("html[data-live=on]");
    // Signed out in another tab, and then something changes.
    const other = await page.context().newPage();
    await other.goto(`${server.url}/devices`);
    await other.click("form[action='/sign-out'] button");
    await other.waitForURL("**/sign-in");
    await page.evaluate(() => document.getElementById("main").dispatchEvent(new CustomEvent("live")));
    await page.waitForURL("**/sign-in?next=*");
    await page.context().close();
  });

  test("the keyboard searches, walks rows, selects and goes to pages", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "q");
    await page.keyboard.press("Escape");
    for (const key of ["j", "j", "x"]) await page.keyboard.press(key);
    assert.equal(await page.textContent("#chosen"), "1 selected");
    await page.keyboard.press("k");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".timeline");
    await page.keyboard.press("?");
    assert.ok(await page.locator("#keys").isVisible());
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.waitForURL("**/devices");
    await page.context().close();
  });

  test("a page with all it loads is small", async () => {
    const page = await open(browser);
    await signIn(page, server, "boss");
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    let bytes = 0;
    session.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
    await page.goto(`${server.url}/customers`);
    await page.waitForSelector("html[data-live=on]");
    console.log(`the list with all it loads: ${bytes} bytes`);
    assert.ok(bytes > 0 && bytes <= PAGE_BYTES_MAX, `${bytes} bytes`);
    await page.context().close();
  });
});

describe("a new server", () => {
  let server, browser;
  before(async () => {
    server = await startServer();
    await server.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("leads to the page that makes its administrator, once", async () => {
    const page = await open(browser);
    await page.goto(server.url);
    await page.waitForURL("**/setup");
    assert.ok(await page.locator("#token").isVisible());
    await page.goto(server.setup);
    assert.equal(await page.locator("#token").count(), 0, "the address that the server printed holds the word");
    await check(page);
    await page.fill("#organisation", "百货");
    await page.fill("#name", "李雷");
    await page.fill("#login", "lilei");
    await page.fill("#password", "correct horse");
    await page.fill("#password-again", "correct horse");
    await page.click("main button.main");
    await page.waitForURL("**/customers");
    await check(page);
    const gone = await page.goto(server.setup);
    assert.equal(gone.status(), 404);
    await page.context().close();
  });
});
