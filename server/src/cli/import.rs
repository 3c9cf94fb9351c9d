//! `fieldpool import`: other systems' customers, people and history.

use std::{
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use sync_core::ids::{OrgId, PoolId};

use super::{Target, Usage, block_on, print_json};
use crate::{
    app::App,
    config::Config,
    import::{
        Entity, ImportError, Mapping, MappingRequest, Plan, ReadOptions, Report, Table,
        apply::{Importer, Settings},
        limits,
        northwind::{self, NorthwindError},
        parse_rows,
        plan::Key,
        read_table,
        report::write_refused,
        rows::{Parsed, RowRefusal},
    },
    seam::Seam,
};

/// Repaints of the progress bar: often enough to look alive.
const PROGRESS_HERTZ: u8 = 5;

/// Imports customers, contacts, opportunities, visits, follow-ups or users from CSV or XLSX
///
/// Works while the server runs. The same file imported twice changes nothing. Rows that cannot be imported are counted
/// and, with --errors, written to a file that can be corrected and imported again. docs/IMPORT.md says everything.
#[derive(clap::Args)]
pub(super) struct Import {
    /// customers, contacts, opportunities, visits, follow-ups or users; or northwind with the sample's folder
    #[arg(value_parser = what)]
    what: What,
    /// The file (CSV in UTF-8 or GBK, XLSX, or a .txt list of names); for northwind the folder
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The organisation
    #[arg(long, value_name = "ID")]
    org: OrgId,
    /// Which column is which field, for headers that are not recognised: name=Firma,contact.phone=#7
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    map: Vec<String>,
    /// The pool for customers without an owner
    #[arg(long, value_name = "ID")]
    pool: Option<PoolId>,
    /// By what a customer is found again
    #[arg(long, value_name = "FIELD", default_value = "external_id", value_parser = key)]
    key: Key,
    /// Counts and checks, and stores nothing
    #[arg(long)]
    dry_run: bool,
    /// Stores nothing if any row is refused; holds one transaction for the whole file
    #[arg(long)]
    all_or_nothing: bool,
    /// Writes the refused rows to this CSV file, with their row and reason
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Adds stages of opportunities that the pipeline does not know
    #[arg(long)]
    add_stages: bool,
    /// The encoding of the text, if it is neither UTF-8 nor GBK
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The sheet of the workbook, if not the first
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Rows to leave out at the top of the file
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_rows: usize,
    /// Prints the counts as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Entity(Entity),
    Northwind,
}

fn what(word: &str) -> Result<What, String> {
    if word == "northwind" {
        return Ok(What::Northwind);
    }
    entity(word)
        .map(What::Entity)
        .map_err(|hint| format!("{hint}, northwind"))
}

/// Reads an entity's name.
pub(super) fn entity(word: &str) -> Result<Entity, String> {
    Entity::from_name(word).ok_or_else(|| {
        let names: Vec<_> = Entity::ALL.iter().map(|entity| entity.name()).collect();
        format!("one of {}", names.join(", "))
    })
}

fn key(word: &str) -> Result<Key, String> {
    Key::from_name(word).ok_or_else(|| "the keys are external_id, phone, tax_number".to_owned())
}

/// One table's way through the import.
struct Run {
    entity: Entity,
    parsed: Parsed,
    /// The file's table, for the errors file.
    table: Table,
}

/// What one table came to.
struct Outcome {
    entity: Entity,
    report: Report,
    refused: Vec<RowRefusal>,
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.import())
    }

    async fn import(self) -> anyhow::Result<()> {
        // The file is read before the database is opened: most mistakes are in the file or in --map.
        let read = self.read()?;
        let database = self.target.open(false).await?;
        let app = App::new(database.clone(), Seam::real(), Config::default()).await?;
        let settings = Settings {
            pool: self.pool,
            key: self.key,
            dry_run: self.dry_run,
            all_or_nothing: self.all_or_nothing,
            add_stages: self.add_stages,
        };
        let mut importer = Importer::open(app, self.org, settings).await?;
        let (mut runs, notes) = read.parse(importer.currency());
        let mut outcomes = Vec::new();
        for run in &mut runs {
            outcomes.push(self.apply(&mut importer, run).await?);
        }
        let refused: usize = outcomes.iter().map(|outcome| outcome.refused.len()).sum();
        let keep = !self.all_or_nothing || refused == 0;
        importer.close(keep).await?;
        database.close().await;
        self.write_errors(&runs, &outcomes)?;
        self.print(&outcomes, notes)?;
        if !keep && !self.dry_run {
            anyhow::bail!(
                "rows_refused: {refused} rows are refused, so nothing was stored; correct them and import the file again"
            );
        }
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Read> {
        let What::Entity(entity) = self.what else {
            return northwind::read_folder(&self.file)
                .map(|it| Read::Northwind(Box::new(it)))
                .map_err(northwind_error);
        };
        let mut request = MappingRequest::default();
        for map in &self.map {
            request = request.and(MappingRequest::parse(map).map_err(import_error)?);
        }
        let options = ReadOptions {
            file_name: self.file.display().to_string(),
            encoding: self.encoding.clone(),
            sheet: self.sheet.clone(),
            skip_rows: self.skip_rows,
        };
        let bytes = read_bounded(&self.file)?;
        let table = read_table(&bytes, entity, &request, &options).map_err(import_error)?;
        let mapping = Mapping::resolve(entity, &table, &request).map_err(import_error)?;
        Ok(Read::File { entity, table, mapping })
    }

    async fn apply(&self, importer: &mut Importer, run: &mut Run) -> anyhow::Result<Outcome> {
        let mut report = Report {
            rows: (run.parsed.records.len() + run.parsed.refused.len()) as u64,
            ..Report::default()
        };
        let mut plan = Plan::new(std::mem::take(&mut run.parsed.records), self.key);
        let mut refused = std::mem::take(&mut run.parsed.refused);
        refused.append(&mut plan.refused);
        importer.begin(run.entity, &mut plan).await?;
        let progress = progress(run.entity, plan.len() as u64);
        for chunk in &plan.chunks {
            let done = importer.apply(run.entity, chunk).await?;
            report.created += done.created;
            report.updated += done.updated;
            report.unchanged += done.unchanged;
            refused.extend(done.refused);
            progress.inc(chunk.len() as u64);
        }
        report.errors = refused.len() as u64;
        importer.finish(run.entity, &report).await?;
        progress.finish_and_clear();
        refused.sort_by_key(|refusal| refusal.line);
        Ok(Outcome {
            entity: run.entity,
            report,
            refused,
        })
    }

    fn write_errors(&self, runs: &[Run], outcomes: &[Outcome]) -> anyhow::Result<()> {
        let Some(path) = &self.errors else { return Ok(()) };
        let mut file = Vec::new();
        for (run, outcome) in runs.iter().zip(outcomes) {
            // Of several tables, those without refusals have nothing to say.
            if runs.len() == 1 || !outcome.refused.is_empty() {
                write_refused(&run.table, &outcome.refused, &mut file)?;
            }
        }
        fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))
    }

    fn print(&self, outcomes: &[Outcome], notes: Vec<String>) -> anyhow::Result<()> {
        let mut stderr = std::io::stderr().lock();
        for note in &notes {
            writeln!(stderr, "{note}")?;
        }
        let refused: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.refused).collect();
        for refusal in refused.iter().take(limits::EXPLAINED_ROWS_MAX) {
            writeln!(
                stderr,
                "row {}: {}: {}",
                refusal.line,
                refusal.reason(),
                refusal.explanation()
            )?;
        }
        if refused.len() > limits::EXPLAINED_ROWS_MAX {
            let more = refused.len() - limits::EXPLAINED_ROWS_MAX;
            let hint = if self.errors.is_some() {
                ""
            } else {
                "; --errors FILE writes them all"
            };
            writeln!(stderr, "and {more} more refused rows{hint}")?;
        }
        let mut total = Report::default();
        for outcome in outcomes {
            total.add(&outcome.report);
        }
        if self.json {
            return print_json(&self.json_value(&total, outcomes, &refused, notes));
        }
        let of = if self.dry_run { "would be " } else { "" };
        println!(
            "{} rows: {of}{} created, {} updated, {} unchanged; {} refused",
            total.rows, total.created, total.updated, total.unchanged, total.errors
        );
        Ok(())
    }

    fn json_value(&self, total: &Report, outcomes: &[Outcome], refused: &[&RowRefusal], notes: Vec<String>) -> Json {
        let problems = refused
            .iter()
            .take(limits::EXPLAINED_ROWS_MAX)
            .map(|refusal| json!({"row": refusal.line, "reason": refusal.reason(), "what": refusal.explanation()}));
        let mut value = json!(total);
        value["dry_run"] = json!(self.dry_run);
        value["problems"] = problems.collect();
        value["notes"] = json!(notes);
        if outcomes.len() > 1 {
            for outcome in outcomes {
                value[outcome.entity.name()] = json!(outcome.report);
            }
        }
        value
    }
}

/// A file read, before the organisation's settings are known.
enum Read {
    File {
        entity: Entity,
        table: Table,
        mapping: Mapping,
    },
    Northwind(Box<northwind::Northwind>),
}

impl Read {
    fn parse(self, currency: &str) -> (Vec<Run>, Vec<String>) {
        match self {
            Self::File { entity, table, mapping } => {
                let notes = notes(&table, &mapping);
                let parsed = parse_rows(entity, &table, &mapping, currency);
                (vec![Run { entity, parsed, table }], notes)
            }
            Self::Northwind(sample) => {
                let northwind::Northwind {
                    users,
                    customers,
                    opportunities,
                } = *sample;
                let run = |entity, (parsed, table)| Run { entity, parsed, table };
                let runs = vec![
                    run(Entity::Users, users),
                    run(Entity::Customers, customers),
                    run(Entity::Opportunities, opportunities),
                ];
                (runs, Vec::new())
            }
        }
    }
}

/// What a person should know about how the file was read.
fn notes(table: &Table, mapping: &Mapping) -> Vec<String> {
    let skipped = table.skipped.iter().map(|(line, text)| {
        let text: String = text.chars().take(limits::WORD_CHARS_MAX).collect();
        format!("line {line} skipped, it stands above the data: {text}")
    });
    let mut notes: Vec<_> = skipped.collect();
    let ignored = mapping
        .ignored
        .iter()
        .filter(|column| !matches!(column.as_str(), "row" | "reason"));
    let ignored: Vec<_> = ignored.map(String::as_str).collect();
    if !ignored.is_empty() {
        notes.push(format!(
            "columns not imported: {} (name them with --map to import them)",
            ignored.join(", ")
        ));
    }
    notes
}

/// Reads a file that is not larger than any format's bound.
fn read_bounded(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let size = fs::metadata(path).with_context(cannot)?.len();
    if size > limits::CSV_BYTES_MAX {
        return Err(import_error(ImportError::TooLarge {
            what: format!("{size} bytes"),
            max: limits::CSV_BYTES_MAX,
        }));
    }
    fs::read(path).with_context(cannot)
}

fn import_error(error: ImportError) -> anyhow::Error {
    let text = format!("{}: {error}", error.code());
    if error.is_usage() {
        Usage(text).into()
    } else {
        anyhow::Error::msg(text)
    }
}

fn northwind_error(error: NorthwindError) -> anyhow::Error {
    match error {
        NorthwindError::Table { file, source } => import_error(source).context(file),
        other => other.into(),
    }
}

/// A bar on a terminal; nothing where stderr is a file or a pipe.
fn progress(entity: Entity, rows: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rows).with_message(entity.name());
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr_with_hz(PROGRESS_HERTZ));
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} rows, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(PROGRESS_HERTZ)));
    bar
}
