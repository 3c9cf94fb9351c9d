// A company on a server of its own for one test file: people, customers, phones, all through the command line.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BINARY = process.env.FIELDPOOL_BINARY ?? new URL("../../target/debug/fieldpool", import.meta.url).pathname;
export const PASSWORD = "correct horse";

/** Runs the program and gives what it printed, as JSON. */
function run(args) {
  const text = execFileSync(BINARY, args, {
    env: { ...process.env, FIELDPOOL_PASSWORD: PASSWORD, FIELDPOOL_LOG: "off" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
  return text.trim() ? JSON.parse(text) : null;
}

/** A server on an empty folder. `stop` ends it and removes what it kept. */
export async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), "fieldpool-browser-"));
  const data = join(folder, "data");
  let child;
  const server = {
    folder,
    data,
    url: "",
    setup: "",
    admin: (...args) => run(["admin", "--data", data, ...args]),
    run,
    async start(listen = "127.0.0.1:0") {
      child = spawn(BINARY, ["serve", "--data", data, "--listen", listen], { stdio: ["ignore", "pipe", "ignore"] });
      const [line] = await new Promise((resolve, reject) => {
        createInterface({ input: child.stdout }).once("line", (line) => resolve([line]));
        child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
      });
      const ready = JSON.parse(line);
      server.url = ready.url;
      server.setup = ready.setup ?? "";
    },
    async halt() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    },
    async stop() {
      if (child && child.exitCode === null && child.signalCode === null) await server.halt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}

/** Two teams, a manager, three reps, a pool and customers of theirs. */
export function fill(server, customers = 120) {
  const org = server.admin("org", "add", "--name", "华东医疗").org;
  const team = (name) => server.admin("team", "add", "--org", org, "--name", name).team;
  const [east, south] = [team("华东一组"), team("华南组")];
  const pool = server.admin("pool", "add", "--org", org, "--name", "公共池").pool;
  const user = (login, name, role, at) =>
    server.admin("user", "add", "--org", org, "--login", login, "--name", name, "--role", role, "--team", at, "--pool", pool);
  user("boss", "周敏", "manager", east);
  user("chenjing", "陈静", "rep", east);
  user("zhangwei", "张伟", "rep", east);
  user("huangli", "黄丽", "rep", south);
  const lines = ["name,external_id,region,stage,tier,owner,contact.name,contact.phone"];
  for (let number = 0; number < customers; number += 1) {
    const owner = number % 10 === 9 ? "" : ["chenjing", "zhangwei"][number % 2];
    const stage = ["lead", "intent", "won"][number % 3];
    lines.push(`客户${String(number).padStart(4, "0")}有限公司,C${number},上海,${stage},vip,${owner},王经理,1380000${String(number).padStart(4, "0")}`);
  }
  const file = join(server.folder, "customers.csv");
  writeFileSync(file, lines.join("\n"));
  run(["import", "customers", file, "--data", server.data, "--org", org, "--pool", pool, "--json"]);
  return { org, pool };
}

/** Somebody's phone: the terminal client on a store of its own, the same each time it is asked for. */
export function phone(server, login) {
  const store = join(server.folder, `phone-${login}`);
  const rep = (...args) => run(["rep", "--store", store, ...args, "--json"]);
  if (!existsSync(store)) rep("enroll", "--server", server.url, "--login", login);
  rep("sync");
  return rep;
}
