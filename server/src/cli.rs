//! The command line. Exit status: 0 done, 1 refused or failed with a reason on stderr, 2 wrong usage.

use std::{fmt, process::ExitCode};

use clap::{Parser, Subcommand};

mod admin;
mod bench;
mod demo;
mod export;
mod import;
mod rep;
mod serve;
mod target;
mod upkeep;

pub use target::Target;

/// Offline-first customer pool for sales people in the field.
#[derive(Parser)]
#[command(name = "fieldpool", version, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Admin(admin::Admin),
    Import(import::Import),
    Export(export::Export),
    Rep(rep::Rep),
    Backup(upkeep::Backup),
    Restore(upkeep::Restore),
    Rebuild(upkeep::Rebuild),
    Verify(upkeep::Verify),
    Bench(bench::Bench),
}

/// Wrong usage that the parser cannot see: exit status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    // The parser itself exits: 0 for --help, 2 for wrong usage.
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Serve(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Rep(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Rebuild(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Bench(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fieldpool: {error:#}");
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs an asynchronous command on a runtime of its own.
///
/// # Errors
/// The command's, or the system's if it gives no threads.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

/// Prints one JSON value on stdout.
///
/// # Errors
/// If stdout is closed.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    stdout.write_all(b"\n")?;
    stdout.flush()?;
    Ok(())
}
