//! The full-screen phone in a real terminal against a real server.
//!
//! Apart from the other tests of phones: a program in a terminal is begun by a fork, and for a moment the child holds
//! the locks of every store that is open in this process.

#[path = "rep/company.rs"]
#[expect(dead_code, reason = "phones inside the process are the other tests'")]
mod company;
#[path = "screen/pty.rs"]
mod pty;

use company::Company;
use pty::Pty;

const TAB: &str = "\t";
const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const SAVE: &str = "\x13";

/// A server with a customer of Li's and one in the pool.
fn company() -> (Company, String) {
    let company = Company::open();
    let li = company.terminal("other", "li");
    let own = li.made(&["customer", "new", "name=长城贸易有限公司", "region=华北", "stage=lead"]);
    li.made(&["contact", "add", &own, "name=王芳", "title=采购经理"]);
    li.made(&[
        "customer",
        "new",
        "name=东海纺织",
        "region=华东",
        "--pool",
        &company.pool,
    ]);
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(synced["complete"], true);
    (company, own)
}

/// Signs Li in on a new phone, through its form.
fn sign_in(company: &Company, language: &str, columns: u16, rows: u16) -> Pty {
    let mut pty = Pty::open(&company.store("screen"), &["--language", language], columns, rows);
    let title = if language == "zh" {
        "在本机登录"
    } else {
        "Sign in on this phone"
    };
    pty.see(&[title]);
    pty.press(&format!("{}{TAB}li{TAB}correct-horse-battery{ENTER}", company.url));
    pty.see(&["长城贸易有限公司"]);
    pty
}

/// The administrator revokes every device of a person.
fn revoke_devices_of(company: &Company, login: &str) {
    for device in company.devices_of(login) {
        let path = format!("/devices/{}", device["id"].as_str().unwrap());
        assert_eq!(company.api("ada", "DELETE", &path, None).0, 204);
    }
}

#[test]
fn a_day_in_flight_mode_is_recorded_on_the_screen_and_leaves_with_the_next_sync() {
    let (company, own) = company();
    let mut pty = sign_in(&company, "zh", 80, 24);
    pty.see(&["在线", "存储未加密", "li"]);
    pty.press("m");
    pty.see(&["飞行模式已开启"]);
    pty.press(ENTER);
    pty.see(&["动态", "还没有动态"]);
    pty.press("v");
    pty.see(&["签到时间", "目的"]);
    pty.press(&format!("续约{TAB}见了采购，谈了明年的价格{SAVE}"));
    pty.see(&["拜访已记录在本机", "续约 · 见了采购"]);
    pty.press("f");
    pty.see(&["方式", "到期日"]);
    pty.press(&format!("寄报价单{TAB}{TAB}+3{ENTER}"));
    pty.see(&["跟进已记录在本机", "寄报价单", "到期"]);
    pty.press(&format!("{TAB}{TAB}{TAB}"));
    pty.see(&["地址", "华北"]);
    // Name, address, latitude, longitude, coordinates, region.
    pty.press("jjjjje");
    pty.see(&["编辑 · 名片"]);
    pty.press("\x15华南\r");
    pty.see(&["华南"]);
    pty.see_no("编辑 · 名片");
    pty.press(ESC);
    pty.see(&["2 公海 1"]);
    pty.press("2");
    pty.see(&["东海纺织"]);
    pty.press("c");
    pty.see(&["已记录领取意向", "1 我的 2"]);
    pty.press("o");
    pty.see(&["待同步 4 · 被退回 0", "领取", "东海纺织", "续约"]);
    // It is the same phone that the other commands drive, and its flight mode is theirs.
    let phone = company::Terminal {
        store: company.store("screen"),
    };
    assert_eq!(phone.json(&["outbox", "--json"]).as_array().unwrap().len(), 4);
    assert_eq!(phone.json(&["status", "--json"])["flight_mode"], true);
    let (status, said) = phone.refused(&["sync"]);
    assert_eq!(status, 1);
    assert!(said.contains("flight_mode"), "{said}");

    pty.press("s");
    pty.see(&["请按 m 关闭后再同步"]);
    pty.press("q");
    pty.see(&["还有未同步的内容", "有 4 项内容等待同步"]);
    pty.press(ESC);
    pty.see_no("还有未同步的内容");
    pty.press("m");
    pty.see(&["没有待同步的内容", "待同步 0", "在线"]);
    pty.press("n");
    pty.see(&["东海纺织：已通过（领取）"]);
    pty.press("q");
    assert_eq!(pty.end(), (0, true));

    let other = company::Terminal {
        store: company.store("other"),
    };
    other.json(&["sync", "--json"]);
    let shown = other.json(&["customer", "show", &own, "--json"]);
    assert_eq!(shown["visits"][0]["fields"]["custom"]["purpose"], "续约");
    assert_eq!(shown["follow_ups"][0]["fields"]["text"], "寄报价单");
    assert_eq!(shown["card"]["fields"]["region"], "华南");
}

#[test]
fn a_phone_that_listens_shows_what_others_record_and_both_values_of_a_conflict() {
    let (company, own) = company();
    let mut pty = sign_in(&company, "en", 100, 30);
    pty.see(&["online"]);
    let other = company::Terminal {
        store: company.store("other"),
    };
    other.made(&["visit", "add", &own, "--note", "seen by the other phone"]);
    assert_eq!(other.json(&["sync", "--json"])["complete"], true);
    pty.press(ENTER);
    pty.see(&["seen by the other phone"]);
    // Both phones write the region without knowing of each other.
    pty.press("m");
    pty.see(&["Flight mode is on"]);
    pty.press(&format!("{TAB}{TAB}{TAB}"));
    pty.see(&["Address"]);
    pty.press("jjjjje");
    pty.see(&["Edit · Card"]);
    pty.press("\x15South\r");
    pty.see_no("Edit · Card");
    assert!(other.run(&["customer", "set", &own, "region=East"]).status.success());
    assert_eq!(other.json(&["sync", "--json"])["complete"], true);
    pty.press("m");
    pty.see(&["Conflicts 1"]);
    pty.press(TAB);
    let text = pty.see(&["Card · Region", "South", "East", "keeps the value"]);
    // The marked value is the first; choose South wherever it stands.
    if text.find("South") > text.find("East") {
        pty.press("j");
    }
    pty.press(ENTER);
    pty.see(&["Conflicts 0", "0 pending"]);
    pty.press("q");
    assert_eq!(pty.end(), (0, true));
    other.json(&["sync", "--json"]);
    let shown = other.json(&["customer", "show", &own, "--json"]);
    assert_eq!(shown["card"]["fields"]["region"], "South");
    assert_eq!(shown["conflicts"], serde_json::json!([]));
}

#[test]
fn a_screen_that_is_ended_by_a_signal_gives_the_terminal_back() {
    let (company, _) = company();
    let pty = sign_in(&company, "en", 80, 24);
    pty.resize(40, 24);
    pty.see(&["长城贸易有限公司", "Lead", "q quit"]);
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pty.process_id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(pty.end(), (0, true));
}

#[test]
fn a_server_that_is_gone_that_forgot_the_phone_and_that_wiped_it_is_told_in_sentences() {
    let (mut company, _) = company();
    company.backup();
    let mut pty = sign_in(&company, "en", 80, 24);
    pty.see(&["online"]);
    company.kill();
    pty.press("s");
    pty.see(&["offline", "The server cannot be reached."]);
    // What is recorded meanwhile is kept, also through all that follows.
    pty.press("v");
    pty.see(&["Purpose"]);
    pty.press(&format!("{TAB}while the server was away{SAVE}"));
    pty.see(&["1 pending"]);
    // The backup is older than the phone: it has to sign in again.
    company.restore();
    pty.press("s");
    pty.see(&["sign in again (i)", "asks you to sign in on this phone again"]);
    pty.press("i");
    pty.see(&["Sign in on this phone", &company.url, "li"]);
    pty.press(&format!("correct-horse-battery{ENTER}"));
    pty.see(&["online", "0 pending"]);
    revoke_devices_of(&company, "li");
    pty.press("s");
    // It hands in what it holds, and is wiped.
    pty.see(&["This phone was wiped", "Nothing of any customer"]);
    pty.see_no("长城贸易");
    pty.press("q");
    assert_eq!(pty.end(), (0, true));
}
