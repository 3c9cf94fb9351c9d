//! What `demo` says when it is ready, in Chinese or English, for people or for scripts.

use std::{io::Write, net::SocketAddr, process::Stdio};

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::demo::{DemoFolder, Language, Person};

/// Everything there is to say.
pub(super) struct Ready<'a> {
    pub(super) language: Language,
    pub(super) url: &'a str,
    /// A link for one person of each role.
    pub(super) links: &'a [(&'a Person, String)],
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
            "links": self.links.iter().map(|(person, url)| json!({
                "role": person.role, "login": person.login, "name": person.name, "url": url,
            })).collect::<Vec<_>>(),
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
        writeln!(
            stdout,
            "{}",
            say("登录（每个链接只能用一次）", "Sign in (each link works once)")
        )?;
        for (person, url) in self.links {
            writeln!(stdout, "  {}  {url}", self.role(&person.role))?;
        }
        writeln!(stdout, "\n{}  {}", say("地址", "Address "), self.url)?;
        writeln!(stdout, "{}  {}", say("接口", "API docs"), self.docs())?;
        let stays = match (is_kept, self.folder.is_temporary()) {
            (false, true) => say("（停止时删除）", " (removed at the end)"),
            _ => "",
        };
        let folder = self.folder.path().display();
        writeln!(stdout, "{}  {folder}{stays}", say("数据", "Data    "))?;
        let password = say("所有人的密码在 demo.json 里", "everybody's stands in demo.json there");
        writeln!(stdout, "{}  {password}", say("密码", "Password"))?;
        let phones = say(
            "部手机正在工作，不时离线再回来",
            "at work, going offline and coming back",
        );
        writeln!(stdout, "{}  {} {phones}", say("手机", "Phones  "), self.phones)?;
        let second = say("在另一个终端里", "In a second terminal");
        let one = reps.first().copied().unwrap_or("liwei");
        writeln!(stdout, "\n{second}:\n  {} rep --as {one}", program())?;
        writeln!(stdout, "  {}: {}", say("或", "or"), reps[1..].join(", "))?;
        writeln!(stdout, "\n{}", say("按 Ctrl-C 停止", "Ctrl-C stops it"))?;
        stdout.flush()?;
        Ok(())
    }

    /// Each as wide as the others.
    fn role(&self, role: &str) -> &'static str {
        self.language.of(match role {
            "back_office" => ("后台  ", "Back office  "),
            "manager" => ("主管  ", "Manager      "),
            "rep" => ("销售  ", "Rep          "),
            "admin" => ("管理员", "Administrator"),
            _ => ("", ""),
        })
    }

    fn docs(&self) -> String {
        format!("{}/api/v1/openapi.json", self.url)
    }
}

/// How this program is called from where it was built, or by its own name.
fn program() -> &'static str {
    let built =
        |profile: &str| std::env::current_exe().is_ok_and(|path| path.ends_with(format!("target/{profile}/fieldpool")));
    if built("release") {
        "cargo run --release --"
    } else if built("debug") {
        "cargo run --"
    } else {
        "fieldpool"
    }
}

/// An address that others could reach is refused.
pub(super) fn not_loopback(language: Language, address: SocketAddr) -> anyhow::Error {
    anyhow!(match language {
        Language::En => format!(
            "not_loopback: a demonstration listens on this machine only, and {address} can be reached from others; use \
             127.0.0.1 or [::1], or run `fieldpool serve` for a real team"
        ),
        Language::Zh => format!(
            "not_loopback: 演示只在本机监听，而 {address} 可从其他机器访问；请使用 127.0.0.1 或 [::1]，真实团队请运行 \
             `fieldpool serve`"
        ),
    })
}

/// An address that is taken.
pub(super) fn cannot_listen(language: Language, address: &str, error: &std::io::Error) -> anyhow::Error {
    anyhow!(match language {
        Language::En => format!(
            "cannot_listen: {address} cannot be had ({error}); stop what uses it, or choose another port with --listen, \
             such as --listen 127.0.0.1:0 for any free one"
        ),
        Language::Zh => format!(
            "cannot_listen: 无法监听 {address}（{error}）；请停止占用它的程序，或用 --listen 换一个端口，例如 \
             --listen 127.0.0.1:0 表示任意空闲端口"
        ),
    })
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
