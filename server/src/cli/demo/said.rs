//! What `demo` says when it is ready, in Chinese or English, for people or for scripts.

use std::{io::Write, net::SocketAddr, process::Stdio};

use serde_json::{Value, json};

use crate::demo::{DemoFolder, Language, Person};

/// Everything there is to say.
pub(super) struct Ready<'a> {
    pub(super) language: Language,
    pub(super) url: &'a str,
    pub(super) folder: &'a DemoFolder,
    pub(super) people: &'a [Person],
    /// Phones at work.
    pub(super) phones: usize,
    /// The usual address, if it was taken.
    pub(super) moved_from: Option<SocketAddr>,
}

impl Ready<'_> {
    /// For scripts.
    pub(super) fn json(&self) -> Value {
        json!({
            "event": "ready",
            "url": self.url,
            "data": self.folder.path(),
            "docs": self.docs(),
            "phones": self.phones,
            "people": self.people,
        })
    }

    /// For people.
    pub(super) fn print(&self, is_kept: bool) -> anyhow::Result<()> {
        let say = |zh: &'static str, en: &'static str| self.language.of((zh, en));
        let mut stdout = std::io::stdout().lock();
        if let Some(taken) = self.moved_from {
            let note = say(
                "端口已被占用，改用下一个空闲端口",
                "is in use, so the next free port is used",
            );
            writeln!(stdout, "{taken} {note}")?;
        }
        let reps: Vec<&str> = self
            .people
            .iter()
            .filter(|person| person.role == "rep")
            .map(|person| person.login.as_str())
            .collect();
        writeln!(stdout, "{}  {}", say("地址", "Address  "), self.url)?;
        writeln!(stdout, "{}  {}", say("接口", "API docs "), self.docs())?;
        let stays = match (is_kept, self.folder.is_temporary()) {
            (false, true) => say("（停止时删除）", " (removed at the end)"),
            _ => "",
        };
        writeln!(
            stdout,
            "{}  {}{stays}",
            say("数据", "Data     "),
            self.folder.path().display()
        )?;
        let phones = say(
            "部手机正在工作，不时离线再回来",
            "phones are at work, going offline and coming back",
        );
        writeln!(stdout, "{}  {} {phones}", say("手机", "Phones   "), self.phones)?;
        let second = say("在另一个终端里", "In a second terminal");
        let one = reps.first().copied().unwrap_or("liwei");
        writeln!(stdout, "\n{second}:\n  fieldpool rep --as {one}")?;
        writeln!(stdout, "  {}: {}", say("或", "or"), reps[1..].join(", "))?;
        writeln!(stdout, "\n{}", say("按 Ctrl-C 停止", "Ctrl-C stops it"))?;
        stdout.flush()?;
        Ok(())
    }

    fn docs(&self) -> String {
        format!("{}/api/v1/openapi.json", self.url)
    }
}

/// Opens the browser, or says that none could be.
pub(super) fn open_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = std::process::Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if started.is_err() {
        eprintln!("fieldpool: no browser could be opened ({opener} is missing); open {url} yourself");
    }
}
