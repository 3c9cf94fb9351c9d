//! `backup`, `restore`, `rebuild`, `verify`: looking after what is stored.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Target, block_on, print_json};
use crate::{
    actions::{backup, erasure, rebuild, recovery, verify},
    seam::Seam,
};

/// How often a bar is drawn.
const PROGRESS_HERTZ: u8 = 5;

/// Writes everything into one file, also while a server runs
///
/// The file can be restored into the embedded database and into PostgreSQL, whichever it came from. It holds personal
/// data: keep it where only operators can read it, encrypted.
#[derive(clap::Args)]
pub(super) struct Backup {
    #[command(flatten)]
    target: Target,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Accepted like everywhere; the answer is JSON anyway
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.back_up())
    }

    async fn back_up(self) -> anyhow::Result<()> {
        let _ = self.json;
        let database = self.target.open(false).await?;
        // Under another name until it is whole, so that a file of this name is always a backup.
        let unfinished = self.out.with_extension("unfinished");
        let file = create_private(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
        let bar = progress("rows");
        let report = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let written = backup::back_up(&database, &Seam::real(), BufWriter::new(&file), report).await;
        let finished = match written {
            Ok(summary) => file
                .sync_all()
                .and_then(|()| fs::rename(&unfinished, &self.out))
                .map(|()| summary)?,
            Err(error) => {
                // What is left of it is of no use.
                let _ = fs::remove_file(&unfinished);
                return Err(error.into());
            }
        };
        bar.finish_and_clear();
        database.close().await;
        let bytes = fs::metadata(&self.out)?.len();
        print_json(&json!({
            "tables": finished.tables, "rows": finished.rows, "organisations": finished.organisations, "bytes": bytes
        }))
    }
}

fn create_private(path: &std::path::Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Reads a backup into an empty database, with the server stopped
///
/// Every organisation begins a new log and a recovery: phones keep what they hold and bring back what the server lacks,
/// until `admin recovery off`. Everybody signs in again. Who left, and which device was revoked, since the backup was made
/// is forgotten: unless the backup is not older than ten minutes, `serve` refuses until `admin recovery confirm`.
#[derive(clap::Args)]
pub(super) struct Restore {
    #[command(flatten)]
    target: Target,
    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Replace what is in the target
    #[arg(long)]
    force: bool,
    /// Serve without `admin recovery confirm`: people and devices are right as they stand in the backup
    #[arg(long)]
    accept_people_as_restored: bool,
    /// Who was erased, as `admin erase list` printed it: erased again after the restore. The list beside an embedded
    /// database, and what the target and the backup know, are used in any case
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
    /// Accepted like everywhere; the answer is JSON anyway
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.restore())
    }

    async fn restore(self) -> anyhow::Result<()> {
        let _ = self.json;
        let file = File::open(&self.from).with_context(|| format!("cannot read {}", self.from.display()))?;
        if let (None, Some(folder), false) = (&self.target.database_url, &self.target.data, self.force)
            && fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| !erasure::is_kept(&entry.path())))
        {
            anyhow::bail!(
                "the folder {} is not empty; nothing was restored. Give an empty one, or --force to replace what is there",
                folder.display()
            );
        }
        let mut erased = Vec::new();
        for list in [&self.erasures, &self.target.data].into_iter().flatten() {
            if list.exists() || Some(list) == self.erasures.as_ref() {
                erased.extend(erasure::read_kept(list)?);
            }
        }
        // Exclusive: no server may run on the folder.
        let database = self.target.open(true).await?;
        let bar = progress("rows");
        let report = |rows| bar.set_position(rows);
        let restoring = backup::Restoring {
            replace: self.force,
            people_confirmed: self.accept_people_as_restored,
            erased,
        };
        let (summary, logs) =
            backup::restore(&database, &Seam::real(), BufReader::new(file), restoring, report).await?;
        // Also of those who were in the target until now.
        erasure::clean(&database, &Seam::real()).await?;
        let unconfirmed = recovery::list_unconfirmed(&database).await?;
        bar.finish_and_clear();
        database.close().await;
        let organisations: Vec<_> = logs
            .iter()
            .map(|(org, log)| json!({ "org": org, "log": log }))
            .collect();
        if !unconfirmed.is_empty() {
            eprintln!("{}", recovery::explain(&unconfirmed));
        }
        print_json(&json!({
            "tables": summary.tables, "rows": summary.rows, "organisations": organisations,
            "people_confirmed": unconfirmed.is_empty(), "erasures": summary.erasures
        }))
    }
}

/// Makes the read model anew from the log, also while a server runs
#[derive(clap::Args)]
pub(super) struct Rebuild {
    #[command(flatten)]
    target: Target,
    /// Accepted like everywhere; the answer is JSON anyway
    #[arg(long)]
    json: bool,
}

impl Rebuild {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.rebuild())
    }

    async fn rebuild(self) -> anyhow::Result<()> {
        let _ = self.json;
        let database = self.target.open(false).await?;
        let bar = progress("documents");
        let rebuilt = rebuild::rebuild(&database, |done| bar.set_position(done)).await?;
        bar.finish_and_clear();
        database.close().await;
        print_json(&rebuilt)?;
        anyhow::ensure!(
            rebuilt.unreadable.is_empty(),
            "{} documents cannot be read back from the log; restore a backup and compare",
            rebuilt.unreadable.len()
        );
        Ok(())
    }
}

/// Checks that log, documents, lists, scopes and audit agree, also while a server runs
#[derive(clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    target: Target,
    /// Accepted like everywhere; the answer is JSON anyway
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.verify())
    }

    async fn verify(self) -> anyhow::Result<()> {
        let _ = self.json;
        let database = self.target.open(false).await?;
        let bar = progress("documents");
        let report = verify::verify(&database, |done| bar.set_position(done)).await?;
        bar.finish_and_clear();
        database.close().await;
        print_json(&report)?;
        for difference in &report.differences {
            eprintln!("{} {}: {}", difference.check, difference.subject, difference.what);
        }
        anyhow::ensure!(report.ok, "{} differences", report.differences_total);
        Ok(())
    }
}

/// A bar on a terminal; nothing where stderr is a file or a pipe.
fn progress(of: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length().with_message(of);
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr_with_hz(PROGRESS_HERTZ));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(PROGRESS_HERTZ)));
    bar
}
