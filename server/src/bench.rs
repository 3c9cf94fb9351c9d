//! `fieldpool bench`: what the server costs on workloads that can be named.
//!
//! It starts this program as a server in a process of its own, sets up a company, enrols phones and drives them over
//! TCP. The server's CPU is that of its process, user and system, and includes what runs in the background: a phase
//! ends when the search index and the audit's chain have caught up with its log.

mod company;
mod office;
mod phase;
mod phones;
mod server_process;
mod text;
mod workloads;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) use self::text::TextStyle;
use self::{
    company::Company,
    office::Office,
    phase::{Phase, Traffic},
    phones::Phone,
    server_process::ServerProcess,
};
use crate::{
    app::App,
    auth::PasswordCost,
    config::Config,
    seam::Seam,
    storage::{Database, audit, search},
};

/// How often it is looked whether the background work has caught up.
const SETTLE_POLL: Duration = Duration::from_millis(20);
/// Organisations asked for when looking.
const ORGANISATIONS_MAX: i64 = 1_000;
/// Seed of all texts: two runs measure the same company.
const TEXT_SEED: u64 = 20_261_124;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// After a day offline everybody reconnects; the back office has edited meanwhile
    MorningAfter,
    /// A phone syncs for the first time
    FirstSync,
    /// A sync with nothing new, on a kept connection
    NoOp,
    /// As morning-after without the back office
    Ingest,
    /// All customers of one rep go to another, in one transaction
    Reassign,
}

/// How much of it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) workload: Workload,
    pub(crate) reps: usize,
    pub(crate) customers: usize,
    pub(crate) visits: usize,
    pub(crate) edits: usize,
    pub(crate) concurrency: usize,
    pub(crate) text: TextStyle,
    pub(crate) database_url: Option<String>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) is_quiet: bool,
}

/// A server, a company and its phones.
struct Bench {
    options: Options,
    app: App,
    server: ServerProcess,
    company: Company,
    phones: Vec<Phone>,
    phases: Vec<Phase>,
    // Removed when all is over.
    folder: TempDir,
}

/// Measures and gives the report.
pub(crate) async fn run(options: Options) -> anyhow::Result<Value> {
    let mut bench = Bench::start(options).await?;
    workloads::run(&mut bench).await?;
    let phases: serde_json::Map<String, Value> = bench
        .phases
        .iter()
        .map(|phase| (phase.name.clone(), phase.json()))
        .collect();
    let report = json!({
        "machine": machine(),
        "database": bench.app.database.name(),
        "phases": phases,
    });
    drop(bench.phones);
    drop(bench.server);
    bench.app.database.close().await;
    Ok(report)
}

impl Bench {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let folder = match &options.data {
            Some(parent) => TempDir::new_in(parent)?,
            None => TempDir::new()?,
        };
        let database = match &options.database_url {
            Some(url) => Database::open_postgres(url).await?,
            None => Database::open_sqlite(folder.path(), false).await?,
        };
        let config = Config {
            // Passwords are not what is measured.
            password_cost: PasswordCost::for_tests(),
            ..Config::default()
        };
        let app = App::new(database, Seam::real(), config).await?;
        let server = ServerProcess::start(folder.path(), options.database_url.as_deref())?;
        let company = Company::found(&app, options.reps).await?;
        Ok(Self {
            options,
            app,
            server,
            company,
            phones: Vec::new(),
            phases: Vec::new(),
            folder,
        })
    }

    /// Waits until what runs behind the commits has caught up.
    async fn settle(&self) -> anyhow::Result<()> {
        loop {
            let mut tx = self.app.database.read().await?;
            let behind = search::list_behind(&mut tx, ORGANISATIONS_MAX).await?;
            let unsealed = audit::list_unsealed(&mut tx, ORGANISATIONS_MAX).await?;
            drop(tx);
            if behind.iter().all(|behind| behind.org != self.company.org) && !unsealed.contains(&self.company.org) {
                return Ok(());
            }
            tokio::time::sleep(SETTLE_POLL).await;
        }
    }

    /// Runs `work` once for each of the phones, at most `concurrency` at once, and measures it as a phase.
    async fn measure(
        &mut self,
        name: &str,
        phones: std::ops::Range<usize>,
        work: impl Fn(&mut Phone) -> anyhow::Result<()> + Sync,
    ) -> anyhow::Result<()> {
        self.settle().await?;
        self.server.reset_rss_peak();
        let cpu = self.server.cpu()?;
        let began = Instant::now();
        let done = in_threads(&mut self.phones[phones], self.options.concurrency, &work)?;
        let wall = began.elapsed();
        self.settle().await?;
        let server_cpu_ms = self.server.cpu()?.since_ms(&cpu);
        let phase = Phase {
            name: name.to_owned(),
            reps: done.len(),
            wall,
            server_cpu_ms,
            traffic: done
                .iter()
                .fold(Traffic::default(), |sum, (_, traffic)| sum.plus(*traffic)),
            each: done.into_iter().map(|(took, _)| took).collect(),
            server_rss_peak_bytes: self.server.rss_peak_bytes()?,
        };
        self.add(phase);
        Ok(())
    }

    /// Hands all customers of one rep to another and measures it as a phase: what the caller waits for.
    async fn hand_over(&mut self, name: &str, from: usize, to: usize) -> anyhow::Result<()> {
        let reps = &self.company.reps;
        let (from, to, wanted) = (reps[from].user, reps[to].user, reps[from].customers.len());
        let mut office = Office::sign_in(&self.server.url, &self.company.back_office_login)?;
        self.settle().await?;
        self.server.reset_rss_peak();
        let cpu = self.server.cpu()?;
        let began = Instant::now();
        let moved = office.hand_over(from, to)?;
        let wall = began.elapsed();
        anyhow::ensure!(moved == wanted as u64, "{moved} of {wanted} customers were handed over");
        self.settle().await?;
        let phase = Phase {
            name: name.to_owned(),
            reps: 1,
            wall,
            server_cpu_ms: self.server.cpu()?.since_ms(&cpu),
            each: vec![wall],
            traffic: office.traffic(),
            server_rss_peak_bytes: self.server.rss_peak_bytes()?,
        };
        self.add(phase);
        Ok(())
    }

    fn add(&mut self, phase: Phase) {
        if !self.options.is_quiet {
            eprintln!("{}", phase.line());
        }
        self.phases.push(phase);
    }
}

/// Runs `work` for each item on a few threads. Gives the time and the traffic of each.
fn in_threads(
    phones: &mut [Phone],
    concurrency: usize,
    work: &(impl Fn(&mut Phone) -> anyhow::Result<()> + Sync),
) -> anyhow::Result<Vec<(Duration, Traffic)>> {
    let queue: Mutex<VecDeque<&mut Phone>> = Mutex::new(phones.iter_mut().collect());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..concurrency.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    while let Some(phone) = next() {
                        let (before, began) = (phone.traffic(), Instant::now());
                        work(phone)?;
                        done.push((began.elapsed(), phone.traffic().since(before)));
                    }
                    anyhow::Ok(done)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            let done = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a phone's thread panicked"))?;
            all.extend(done?);
        }
        Ok(all)
    })
}

fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "model": model,
        "kernel": kernel.trim(),
        "load": load.split_whitespace().next(),
    })
}
