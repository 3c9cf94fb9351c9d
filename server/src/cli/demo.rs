//! `fieldpool demo`: a sample company with 90 days behind it, and phones at work, until it is told to stop.

mod said;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sync_core::{time::Timestamp, visibility::Role};
use tokio_util::sync::CancellationToken;

use self::said::Ready;
use super::{Usage, block_on, serve::stop_on_signal};
use crate::{
    actions::sign_in_links::{LIFETIME_MAX, create_sign_in_link},
    app::App,
    config::Config,
    demo::{DemoFolder, Language, LivePhones, Note, Person, Story, tell},
    http::Server,
    jobs,
    seam::Seam,
    storage::{Database, people},
    telemetry,
};

/// Where it listens unless told otherwise; with the ports after it, if it is taken.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8420);
/// So many ports are tried.
const PORTS_TRIED: u16 = 10;
/// Days that a story may have: the phones of those who leave lock themselves only later, and nobody looks further back.
const DAYS_MAX: usize = 400;
/// Fewer customers than this leave somebody without any.
const CUSTOMERS_MIN: usize = 40;
/// Roles of which one person each is given a link, the one who sees most of the work first.
const ROLES: [Role; 4] = [Role::BackOffice, Role::Manager, Role::Rep, Role::Admin];
/// As long as a link may be good: somebody may come back to the terminal after lunch.
const LINK_LIFETIME: Duration = LIFETIME_MAX;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;
/// The company's clock is ahead of UTC by so much.
const SHANGHAI_MS: i64 = 8 * 3_600_000;

const AFTER_HELP: &str = "\
Without --data everything lies in a temporary folder that is removed at the end, unless --keep is given. With --data it
stays; the same command goes on with it, and --reset makes it anew. A folder that holds anything else is never touched.

While it runs, in a second terminal:
  fieldpool rep --as liwei              one of its phones, full screen
  fieldpool rep --as liwei customers    or one command of it

The company and its people are invented, the history is made by real phones through the real sync while the server's
clock is led through the days. The same --seed tells the same story; ids, keys and passwords are new every time.";

/// Runs a sample company with phones at work, to be looked at in the browser; stops on SIGTERM or Ctrl-C
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Demo {
    /// Folder in which everything lies and stays; without it a temporary one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the temporary folder at the end, and say where it is
    #[arg(long, conflicts_with = "data")]
    keep: bool,
    /// Make the demonstration in --data anew, removing what it holds
    #[arg(long, requires = "data")]
    reset: bool,
    /// Where to listen, on this machine only; port 0 picks a free port [default: 127.0.0.1:8420, or the next free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Of the company and of what is printed [default: the terminal's]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// The same number tells the same story
    #[arg(long, value_name = "N", default_value_t = 2026)]
    seed: u64,
    /// Customers of the company
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    customers: usize,
    /// Days of history
    #[arg(long, value_name = "N", default_value_t = 90)]
    days: usize,
    /// Open the browser, signed in as the back office
    #[arg(long)]
    open: bool,
    /// Print one JSON value on stdout when it is ready, and nothing else
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.check()?;
        // What goes wrong is told in sentences; the server's log is for those who ask for it.
        telemetry::start_logging_at("error");
        telemetry::metrics();
        block_on(self.demonstrate())
    }

    fn check(&self) -> anyhow::Result<()> {
        if let Some(address) = self.listen
            && !address.ip().is_loopback()
        {
            return Err(said::not_loopback(self.spoken(), address));
        }
        let customers_max = Story::customers_max();
        if !(CUSTOMERS_MIN..=customers_max).contains(&self.customers) {
            return Err(Usage(format!("--customers: from {CUSTOMERS_MIN} to {customers_max}")).into());
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            return Err(Usage(format!("--days: from 1 to {DAYS_MAX}")).into());
        }
        Ok(())
    }

    /// The language of what is said before there is a company.
    fn spoken(&self) -> Language {
        self.language.unwrap_or_else(Language::of_terminal)
    }

    async fn demonstrate(self) -> anyhow::Result<()> {
        let stop = stop_on_signal()?;
        let (listen, moved_from) = self.free_address()?;
        let (mut folder, note) = match &self.data {
            Some(path) => DemoFolder::open(path, self.reset),
            None => DemoFolder::temporary().map(|folder| (folder, None)),
        }
        .map_err(|error| anyhow!(error.told(self.spoken())))?;
        if self.keep {
            folder.keep();
        }
        let note = match note {
            Some(note) => Some(note),
            None => self.prepare(&folder, &stop).await?,
        };
        let Some(note) = note else {
            // Told to stop before it was ready: half a company is of no use.
            folder.clear()?;
            return Ok(());
        };
        self.serve(&folder, note, (listen, moved_from), &stop).await
    }

    /// Where to listen, and the address that was taken if it is not the usual one.
    fn free_address(&self) -> anyhow::Result<(SocketAddr, Option<SocketAddr>)> {
        if let Some(address) = self.listen {
            // Asked for by name: only this one will do, and it is better known now than after the story.
            TcpListener::bind(address)
                .map_err(|error| said::cannot_listen(self.spoken(), &address.to_string(), &error))?;
            return Ok((address, None));
        }
        let mut failed = None;
        for port in LISTEN.port()..LISTEN.port() + PORTS_TRIED {
            let address = SocketAddr::new(LISTEN.ip(), port);
            match TcpListener::bind(address) {
                Ok(_) => return Ok((address, (address != LISTEN).then_some(LISTEN))),
                Err(error) => failed = Some(error),
            }
        }
        let tried = format!("{LISTEN} – {}", LISTEN.port() + PORTS_TRIED - 1);
        let error = failed.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
        Err(said::cannot_listen(self.spoken(), &tried, &error))
    }

    /// Tells the story. `None` if it was told to stop meanwhile.
    async fn prepare(&self, folder: &DemoFolder, stop: &CancellationToken) -> anyhow::Result<Option<Note>> {
        let real = Seam::real();
        let language = self.spoken();
        let mut note = Note::new(language, self.seed);
        note.password = hex::encode(real.random::<16>());
        folder.write_note(&note)?;
        let story = Story {
            language,
            seed: self.seed,
            customers: self.customers,
            days: self.days,
            end: last_midnight(real.now()),
            password: note.password.clone(),
        };
        let bar = self.progress(language);
        let told = {
            let database = Database::open_sqlite(folder.path(), true).await?;
            let app = App::new(database.clone(), Seam::staged(story.end), Config::default()).await?;
            let on_progress = |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            };
            let told = tell(&app, &story, &folder.phones(), &on_progress, stop).await;
            drop(app);
            database.close().await;
            told
        };
        bar.finish_and_clear();
        let Some(people) = told? else { return Ok(None) };
        note.people = people;
        note.is_ready = true;
        folder.write_note(&note)?;
        Ok(Some(note))
    }

    /// Serves the company as any server would, with phones at work, until it is told to stop.
    async fn serve(
        &self,
        folder: &DemoFolder,
        mut note: Note,
        (listen, moved_from): (SocketAddr, Option<SocketAddr>),
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let database = Database::open_sqlite(folder.path(), true).await?;
        let config = Config {
            listen,
            ..Config::default()
        };
        let mut app = App::new(database.clone(), Seam::real(), config).await?;
        app.stopping = stop.clone();
        let server = Server::bind(app.clone()).await?;
        let url = format!("http://{}", server.address());
        note.url = Some(url.clone());
        folder.write_note(&note)?;
        folder
            .announce()
            .context("cannot say where `rep --as` finds this demonstration")?;
        let language = self.language.unwrap_or(note.language);
        let jobs = jobs::start(&app);
        // What phones do stands in one line that changes; where nobody looks it is not shown.
        let line = Arc::new(Mutex::new(self.status_line()));
        let show = Arc::clone(&line);
        let running = tokio::spawn(server.run(app.stopping.clone()));
        let live = LivePhones::start(&app, &folder.phones(), &url, &note, move |happening| {
            let line = show.lock().unwrap_or_else(PoisonError::into_inner);
            line.set_message(happening.what.told(&happening.name, language));
        })
        .await?;
        let links = make_links(&app, &note, &url).await?;
        let ready = Ready {
            language,
            url: &url,
            links: &links,
            folder,
            people: &note.people,
            phones: live.len(),
            moved_from,
        };
        if self.json {
            super::print_json(&ready.json())?;
        } else {
            ready.print(self.is_kept())?;
        }
        if self.open
            && let Some(first) = note.people.iter().find(|person| person.role == ROLES[0].name())
        {
            // One of its own: the printed one stays good.
            said::open_browser(&make_link(&app, first, &url).await?);
        }
        let _ = running.await;
        line.lock().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
        tokio::task::block_in_place(|| live.stop());
        jobs.stop(&app).await;
        folder.withdraw();
        drop(app);
        database.close().await;
        Ok(())
    }

    fn is_kept(&self) -> bool {
        self.keep || self.data.is_some()
    }

    fn progress(&self, language: Language) -> ProgressBar {
        // Draws on stderr, and only if that is a terminal.
        let bar = ProgressBar::with_draw_target(Some(1), self.draw_target());
        let what = language.of(("正在生成公司和历史", "making the company and its history"));
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {percent}% {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn status_line(&self) -> ProgressBar {
        let line = ProgressBar::with_draw_target(None, self.draw_target());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            line.set_style(style);
        }
        line.enable_steady_tick(Duration::from_millis(500));
        line
    }

    fn draw_target(&self) -> ProgressDrawTarget {
        if self.json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        }
    }
}

/// A way in for one person of each role.
async fn make_links<'a>(app: &App, note: &'a Note, url: &str) -> anyhow::Result<Vec<(&'a Person, String)>> {
    let mut links = Vec::new();
    for role in ROLES {
        if let Some(person) = note.people.iter().find(|person| person.role == role.name()) {
            links.push((person, make_link(app, person, url).await?));
        }
    }
    Ok(links)
}

/// A link that signs this person in once.
async fn make_link(app: &App, person: &Person, url: &str) -> anyhow::Result<String> {
    let mut tx = app.database.read().await?;
    let account = people::find_by_login(&mut tx, &person.login).await?.with_context(|| {
        format!(
            "{} is not in the database any more; make the demonstration anew",
            person.login
        )
    })?;
    tx.rollback().await?;
    let token = create_sign_in_link(app, account.org, account.user, LINK_LIFETIME).await?;
    Ok(format!("{url}/sign-in/link/{token}"))
}

/// The last midnight of the company's time zone.
fn last_midnight(now: Timestamp) -> Timestamp {
    Timestamp((now.0 + SHANGHAI_MS).div_euclid(DAY_MS) * DAY_MS - SHANGHAI_MS)
}
