//! `fieldpool bench`: what the server costs.

use std::path::PathBuf;

use super::{Usage, block_on, print_json};
use crate::{
    bench::{Options, TextStyle, Workload, run},
    telemetry,
};

/// Most reps that are measured at once: each is a phone with a connection of its own.
const REPS_MAX: u64 = 5_000;

/// Measures what the server costs: starts one of its own and drives phones against it
#[derive(clap::Args)]
pub(super) struct Bench {
    /// What is measured
    workload: Workload,
    /// Reps, each with a phone [default: 50]
    #[arg(long, value_name = "R", default_value_t = 50, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(1..=REPS_MAX))]
    reps: u64,
    /// Customers of each rep [default: 200]
    #[arg(long, value_name = "C", default_value_t = 200, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    customers: u64,
    /// Visits each rep records offline [default: 20; ingest: 100]
    #[arg(long, value_name = "V", value_parser = clap::value_parser!(u64).range(0..=400))]
    visits: Option<u64>,
    /// Cards each rep edits offline [default: 5]
    #[arg(long, value_name = "E", default_value_t = 5, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(0..=100))]
    edits: u64,
    /// Phones that sync at the same time [default: 8]
    #[arg(long, value_name = "K", default_value_t = 8, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(1..=256))]
    concurrency: u64,
    /// How notes are written: random characters, the worst case, or common phrases
    #[arg(long, value_enum, default_value_t = TextStyle::Han)]
    text: TextStyle,
    /// Folder in which the server's temporary folder is made [default: the system's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL database to measure on, in an organisation of its own
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Print one JSON value only
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<()> {
        telemetry::start_logging();
        if self.workload == Workload::Reassign && self.reps < 3 {
            return Err(Usage("reassign needs --reps 3 or more: an old owner, a new one and others".into()).into());
        }
        let visits = self.visits.unwrap_or(match self.workload {
            Workload::Ingest => 100,
            _ => 20,
        });
        let options = Options {
            workload: self.workload,
            reps: self.reps as usize,
            customers: self.customers as usize,
            visits: visits as usize,
            edits: self.edits as usize,
            concurrency: self.concurrency as usize,
            text: self.text,
            database_url: self.database_url,
            data: self.data,
            is_quiet: self.json,
        };
        let report = block_on(run(options))?;
        if self.json {
            print_json(&report)?;
        }
        Ok(())
    }
}
