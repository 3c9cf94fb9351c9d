//! Runs simulated worlds: `cargo run --release -p tests --bin simulate -- --seeds 500`. See docs/SIMULATION.md.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sync_core::seeded::Bug;
use tests::{
    simulate::{Caught, Ran, Run, hunt, run_and_tell, try_seed_with},
    world::Size,
};

/// Runs simulated worlds, each from one seed, on as many cores as there are. Says what was exercised and what one day of
/// one phone costs, and of each broken promise how to see it again.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many worlds.
    #[arg(long, value_name = "N", default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Runs this one world and prints everything that happens in it.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Plants this defect into every world; the run fails if no world finds it.
    #[arg(long, value_name = "NAME", value_parser = read_bug)]
    bug: Option<Bug>,
    /// Plants each known defect in turn and prints which promise it broke first, and in which world.
    #[arg(long, conflicts_with_all = ["seed", "bug"])]
    bugs: bool,
    /// Phones of a world.
    #[arg(long, value_name = "N", default_value_t = Size::ORDINARY.phones)]
    phones: usize,
    /// Customers of a world at its beginning.
    #[arg(long, value_name = "N", default_value_t = Size::ORDINARY.customers)]
    customers: usize,
    /// Days a world lasts.
    #[arg(long, value_name = "N", default_value_t = Size::ORDINARY.days)]
    days: usize,
    /// Things that happen on each phone each day.
    #[arg(long, value_name = "N", default_value_t = Size::ORDINARY.steps)]
    steps: usize,
    /// Worlds at a time; without it as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Stops after so many worlds in which a promise was broken.
    #[arg(long, value_name = "N", default_value_t = 10)]
    failures: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let size = Size {
        phones: arguments.phones.max(1),
        customers: arguments.customers.max(1),
        days: arguments.days.max(1),
        steps: arguments.steps.max(1),
    };
    if let Some(seed) = arguments.seed {
        return replay(seed, size, arguments.bug);
    }
    let run = Run {
        from: arguments.from,
        count: arguments.seeds,
        size,
        threads: arguments.threads,
        failures_max: arguments.failures,
        bug: arguments.bug,
    };
    if arguments.bugs {
        return hunt_all(run);
    }
    if let Some(bug) = arguments.bug {
        let caught = hunt(bug, run, &|_| {});
        println!("{}", line_of(&caught));
        return ended(caught.by.is_some());
    }
    let (ran, cost) = with_progress(run);
    tell(&ran, &cost);
    ended(ran.failures.is_empty())
}

fn ended(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, size: Size, bug: Option<Bug>) -> ExitCode {
    match try_seed_with(seed, size, bug) {
        Ok((tally, trace)) => {
            println!("{trace}");
            for (name, count) in tally.columns() {
                println!("{count:>8} {name}");
            }
            ended(true)
        }
        Err(broken) => {
            println!(
                "{}\nseed {seed} breaks {}: {}",
                broken.trace, broken.promise, broken.what
            );
            ended(false)
        }
    }
}

fn read_bug(name: &str) -> Result<Bug, String> {
    let known = Bug::ALL.into_iter().find(|bug| bug.name() == name);
    let names = || Bug::ALL.map(Bug::name).join(", ");
    known.ok_or_else(|| format!("it is one of {}", names()))
}

/// Looks for every defect. One may get away.
fn hunt_all(run: Run) -> ExitCode {
    let bar = ProgressBar::new(Bug::ALL.len() as u64).with_style(style("{bar:40} {pos}/{len} defects, {msg}"));
    println!("| defect | worlds | promise |\n|---|---|---|");
    let mut escaped = 0;
    for bug in Bug::ALL {
        let caught = hunt(bug, run, &|ran| {
            bar.set_message(format!("{} in {} worlds", bug.name(), ran.worlds))
        });
        escaped += usize::from(caught.by.is_none());
        bar.suspend(|| println!("{}", line_of(&caught)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("\n{} of {} found", Bug::ALL.len() - escaped, Bug::ALL.len());
    ended(escaped <= 1)
}

fn line_of(caught: &Caught) -> String {
    let promise = caught.by.as_ref().map(|broken| broken.promise.to_string());
    let promise = promise.as_deref().unwrap_or("not found");
    format!("| {} | {} | {promise} |", caught.bug.name(), caught.worlds)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What a run took.
struct Cost {
    seconds: f64,
    cpu_seconds: Option<f64>,
    phone_days: u64,
}

fn with_progress(run: Run) -> (Ran, Cost) {
    let bar = ProgressBar::new(run.count).with_style(style("{bar:40} {pos}/{len} worlds, {msg}, {eta} left"));
    let (began, cpu_before) = (now(), cpu_seconds());
    let ran = run_and_tell(run, &|ran| {
        bar.set_position(ran.worlds);
        bar.set_message(format!("{} broken", ran.failures.len()));
    });
    bar.finish_and_clear();
    let cost = Cost {
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds().zip(cpu_before).map(|(after, before)| after - before),
        phone_days: ran.worlds * run.size.phone_days(),
    };
    (ran, cost)
}

fn tell(ran: &Ran, cost: &Cost) {
    print!("{}", ran.tell_failures());
    for (name, count) in ran.tally.columns() {
        println!("{count:>10} {name}");
    }
    println!(
        "{:>10} worlds, {} phone-days, in {:.1} s",
        ran.worlds, cost.phone_days, cost.seconds
    );
    if let Some(cpu) = cost.cpu_seconds {
        let each = cpu * 1000.0 / cost.phone_days.max(1) as f64;
        println!("{each:>10.1} ms of CPU a phone-day");
    }
    println!("{:>10} worlds in which a promise was broken", ran.failures.len());
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a run took is told to a person and decides nothing"
)]
fn now() -> Instant {
    Instant::now()
}

/// CPU this process has used, as Linux tells it.
fn cpu_seconds() -> Option<f64> {
    /// Units of the two numbers below, the same on every Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; user and system time are the 12th and 13th after it.
    let (_, after) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    (ticks.len() == 2).then(|| (ticks[0] + ticks[1]) / TICKS_PER_SECOND)
}
