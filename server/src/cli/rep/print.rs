//! What `fieldpool rep` prints: one JSON value for scripts, short lines for people, in Chinese or English.

use std::io::Write;

use serde_json::Value;
use sync_core::time::Timestamp;

use super::language::Language;
use crate::cli::print_json;

/// Prints for a script or for a person.
pub(super) struct Printer {
    json: bool,
    language: Language,
}

impl Printer {
    pub(super) fn new(json: bool, language: Language) -> Self {
        Self { json, language }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    fn word(&self, english: &'static str, chinese: &'static str) -> &'static str {
        self.language.pick(english, chinese)
    }

    /// The value for a script, or these lines for a person.
    fn say(&self, value: &impl serde::Serialize, lines: impl FnOnce() -> Vec<String>) -> anyhow::Result<()> {
        if self.json {
            return print_json(value);
        }
        let mut stdout = std::io::stdout().lock();
        for line in lines() {
            writeln!(stdout, "{line}")?;
        }
        Ok(())
    }

    pub(super) fn enrolled(&self, enrolled: &Value) -> anyhow::Result<()> {
        self.say(enrolled, || {
            let name = text(&enrolled["user"], "name");
            let what = self.word(
                "this phone is now his; sync it to get his customers",
                "此设备已登记，请同步以获取客户",
            );
            vec![format!("{name}: {what}")]
        })
    }

    pub(super) fn signed_out(&self, done: &Value) -> anyhow::Result<()> {
        self.say(done, || {
            let what = self.word(
                "signed out; everything on this phone has been erased",
                "已退出登录，本机内容已全部清除",
            );
            vec![what.to_owned()]
        })
    }

    /// Why somebody is not signed out.
    pub(super) fn unsent(&self, count: u64) -> String {
        self.word(
            "{0} changes have not been sent yet and would be lost; sync first, or add --discard-unsent",
            "有 {0} 项内容尚未同步，退出会丢失；请先同步，或添加 --discard-unsent",
        )
        .replace("{0}", &count.to_string())
    }

    pub(super) fn synced(&self, report: &Value) -> anyhow::Result<()> {
        self.say(report, || {
            let verdicts = &report["verdicts"];
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            let accepted = number(&verdicts["accepted"]) + number(&verdicts["amended"]);
            let refused =
                number(&verdicts["rejected"]) + number(&verdicts["quarantined"]) + number(&verdicts["superseded"]);
            let mut lines = vec![
                format!("{}: {accepted}", self.word("accepted", "已接受")),
                format!("{}: {refused}", self.word("refused", "被退回")),
                format!(
                    "{}: {}",
                    self.word("documents received", "收到文档"),
                    report["pulled_documents"]
                ),
                format!(
                    "{}: {}",
                    self.word("customers removed", "移除客户"),
                    report["evicted_customers"]
                ),
                format!(
                    "{}: {} ↑ {} ↓",
                    self.word("bytes", "流量（字节）"),
                    report["bytes_up"],
                    report["bytes_down"]
                ),
            ];
            if report["wiped"] == true {
                lines.push(
                    self.word(
                        "everything was handed in; this phone has been wiped by order of the server",
                        "内容已全部上传，本机已按服务器指令清除",
                    )
                    .to_owned(),
                );
            }
            for intent in report["intents"].as_array().into_iter().flatten() {
                let reason = text(intent, "reason");
                lines.push(format!("{} {} {reason}", text(intent, "type"), text(intent, "outcome")));
            }
            lines
        })
    }

    pub(super) fn customers(&self, customers: &[Value]) -> anyhow::Result<()> {
        self.say(&customers, || {
            let mut lines: Vec<String> = customers
                .iter()
                .map(|customer| {
                    let owner = match &customer["owner"] {
                        Value::Null => self.word("(pool)", "（公海）").to_owned(),
                        owner => text(owner, "name"),
                    };
                    let fields = [
                        text(customer, "id"),
                        text(customer, "name"),
                        text(customer, "relation"),
                        owner,
                        text(customer, "stage"),
                    ];
                    fields.join("  ")
                })
                .collect();
            lines.push(format!("{}: {}", self.word("customers", "客户数"), customers.len()));
            lines
        })
    }

    pub(super) fn customer(&self, customer: &Value) -> anyhow::Result<()> {
        self.say(customer, || {
            let mut lines = vec![format!("{}  {}", text(customer, "name"), text(customer, "relation"))];
            for name in ["card", "dossier", "internal"] {
                if !customer[name].is_null() {
                    lines.push(format!("[{name}]"));
                    lines.extend(field_lines(&customer[name]));
                }
            }
            for name in ["contacts", "visits", "follow_ups", "opportunities", "tickets"] {
                for document in customer[name].as_array().into_iter().flatten() {
                    let author = text(&document["author"], "name");
                    lines.push(format!(
                        "[{name}] {}  {author}  {}",
                        text(document, "id"),
                        self.state(&text(document, "state"))
                    ));
                    lines.extend(field_lines(document));
                }
            }
            for conflict in customer["conflicts"].as_array().into_iter().flatten() {
                let values: Vec<String> = conflict["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|value| format!("{} ({})", plain(&value["value"]), text(&value["author"], "name")))
                    .collect();
                lines.push(format!(
                    "{} {} {}: {}",
                    self.word("conflict", "冲突"),
                    text(conflict, "document"),
                    text(conflict, "field"),
                    values.join(" | ")
                ));
            }
            lines
        })
    }

    fn state(&self, state: &str) -> String {
        match state {
            "pending" => self.word("pending", "待同步"),
            "refused" => self.word("refused", "被退回"),
            _ => self.word("synced", "已同步"),
        }
        .to_owned()
    }

    pub(super) fn history(&self, writes: &[Value]) -> anyhow::Result<()> {
        self.say(&writes, || {
            writes
                .iter()
                .map(|write| {
                    let current = if write["current"] == true { "*" } else { " " };
                    let author = text(&write["author"], "name");
                    format!(
                        "{current} {}  {author}  {}",
                        instant(&write["at"]),
                        plain(&write["value"])
                    )
                })
                .collect()
        })
    }

    pub(super) fn entries(&self, entries: &[Value]) -> anyhow::Result<()> {
        self.say(&entries, || {
            let mut lines: Vec<String> = entries
                .iter()
                .map(|entry| {
                    let fields = [
                        plain(&entry["id"]),
                        text(entry, "kind"),
                        text(entry, "what"),
                        text(entry, "reason"),
                    ];
                    fields.join("  ")
                })
                .collect();
            lines.push(format!("{}: {}", self.word("entries", "条目"), entries.len()));
            lines
        })
    }

    pub(super) fn status(&self, status: &Value) -> anyhow::Result<()> {
        self.say(status, || {
            vec![
                format!(
                    "{}: {}",
                    self.word("signed in", "登录用户"),
                    text(&status["user"], "name")
                ),
                format!("{}: {}", self.word("state", "状态"), text(status, "state")),
                format!(
                    "{}: {}",
                    self.word("flight mode", "飞行模式"),
                    if status["flight_mode"] == true {
                        self.word("on", "开启")
                    } else {
                        self.word("off", "关闭")
                    }
                ),
                format!("{}: {}", self.word("pending", "待同步"), status["pending"]),
                format!("{}: {}", self.word("refused", "被退回"), status["refused"]),
                format!("{}: {}", self.word("customers", "客户数"), status["customers"]),
                format!(
                    "{}: {}",
                    self.word("last sync", "上次同步"),
                    instant(&status["last_sync"])
                ),
                format!(
                    "{}: {}",
                    self.word("works offline until", "离线可用至"),
                    instant(&status["lease_until"])
                ),
            ]
        })
    }
}

fn field_lines(document: &Value) -> Vec<String> {
    document["fields"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("  {key}: {}", plain(value)))
        .collect()
}

/// Control characters would be read by the terminal.
fn text(value: &Value, key: &str) -> String {
    plain(&value[key])
}

fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

fn instant(value: &Value) -> String {
    value
        .as_i64()
        .map_or_else(|| "–".to_owned(), |at| Timestamp(at).to_string())
}
