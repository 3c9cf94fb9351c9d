//! What each workload sets up and judges.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Bench, Phase, TEXT_SEED, Traffic, Workload,
    company::{object, visit},
    in_threads,
    phones::Phone,
    text::Writer,
};

/// Edits that the back office makes on each rep's cards.
const BACK_OFFICE_EDITS: usize = 20;
/// Rounds of the second phase of `no-op`, for a figure of many syncs.
const NO_OP_ROUNDS: usize = 20;
/// The visits of a day begin this long before they are sent.
const DAY_MS: i64 = 9 * 3_600_000;
/// From one visit to the next.
const VISIT_EVERY_MS: i64 = 1_200_000;

/// Sets up and measures.
pub(super) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    set_up(bench).await?;
    let all = 0..bench.phones.len();
    match bench.options.workload {
        Workload::FirstSync => bench.measure("first-sync", all, Phone::sync).await,
        Workload::MorningAfter => bench.measure("morning-after", all, Phone::sync).await,
        Workload::Ingest => bench.measure("ingest", all, Phone::sync).await,
        Workload::NoOp => {
            bench.measure("no-op", all.clone(), Phone::sync).await?;
            let repeat = |phone: &mut Phone| (0..NO_OP_ROUNDS).try_for_each(|_| phone.sync());
            bench.measure(&format!("{NO_OP_ROUNDS} no-ops"), all, repeat).await
        }
        Workload::Reassign => {
            bench.hand_over("transaction", 0, 1).await?;
            bench.measure("old-owner", 0..1, Phone::sync).await?;
            bench.measure("new-owner", 1..2, Phone::sync).await?;
            bench.measure("others", 2..all.end, Phone::sync).await?;
            let judged = total("reassign", &bench.phases[1..]);
            bench.add(judged);
            Ok(())
        }
    }
}

/// Everything before the judged phase, as a phase of its own.
async fn set_up(bench: &mut Bench) -> anyhow::Result<()> {
    let (cpu, began) = (bench.server.cpu()?, Instant::now());
    let options = bench.options.clone();
    let mut writer = Writer::new(options.text, TEXT_SEED);
    let bar = progress(options.is_quiet, options.reps as u64 * 2);
    let mut json_bytes = 0;
    for rep in 0..options.reps {
        json_bytes += bench
            .company
            .add_customers(&bench.app, rep, options.customers, &mut writer)
            .await?;
        bar.inc(1);
    }
    for rep in &bench.company.reps {
        let folder = bench.folder.path().join(&rep.login);
        bench
            .phones
            .push(Phone::enroll(&folder, &bench.server.url, &rep.login)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !options.is_quiet {
        let customers = (options.reps * options.customers).max(1);
        eprintln!("a customer has {} bytes of JSON", json_bytes / customers);
    }
    bench.settle().await?;
    if options.workload != Workload::FirstSync {
        // Twice: what a first sync leaves behind (a directory, an acknowledgement) is no part of the judged phase.
        for _ in 0..2 {
            in_threads(&mut bench.phones, options.concurrency, &Phone::sync)?;
        }
    }
    if matches!(options.workload, Workload::MorningAfter | Workload::Ingest) {
        work_offline(bench, &mut writer).await?;
    }
    bench.settle().await?;
    let rss = bench.server.rss_peak_bytes()?;
    let used = bench.server.cpu()?.since_ms(&cpu);
    let traffic = bench
        .phones
        .iter()
        .fold(Traffic::default(), |sum, phone| sum.plus(phone.traffic()));
    bench.add(Phase {
        name: "set-up".to_owned(),
        reps: options.reps,
        wall: began.elapsed(),
        server_cpu_ms: used,
        each: Vec::new(),
        traffic,
        server_rss_peak_bytes: rss,
    });
    Ok(())
}

/// A day without a network, and what the back office does meanwhile.
async fn work_offline(bench: &mut Bench, writer: &mut Writer) -> anyhow::Result<()> {
    let options = bench.options.clone();
    let morning = bench.app.seam.now().plus_ms(-DAY_MS);
    for (phone, rep) in bench.phones.iter_mut().zip(&bench.company.reps) {
        phone.disconnect();
        let visits: Vec<_> = (0..options.visits as i64)
            .zip(rep.customers.iter().cycle())
            .map(|(index, customer)| (*customer, visit(writer, morning.plus_ms(index * VISIT_EVERY_MS))))
            .collect();
        let cards: Vec<_> = rep
            .customers
            .iter()
            .take(options.edits)
            .enumerate()
            .map(|(index, customer)| (*customer, object(json!({ "stage": format!("阶段{index}") }))))
            .collect();
        phone.record(&visits, &cards)?;
    }
    if options.workload == Workload::MorningAfter {
        for rep in 0..options.reps {
            bench
                .company
                .edit_cards(&bench.app, rep, BACK_OFFICE_EDITS.min(options.customers))
                .await?;
        }
    }
    Ok(())
}

fn total(name: &str, phases: &[Phase]) -> Phase {
    Phase {
        name: name.to_owned(),
        reps: phases.iter().map(|phase| phase.reps).sum(),
        wall: phases.iter().map(|phase| phase.wall).sum(),
        server_cpu_ms: phases.iter().map(|phase| phase.server_cpu_ms).sum(),
        each: phases.iter().flat_map(|phase| phase.each.clone()).collect(),
        traffic: phases
            .iter()
            .fold(Traffic::default(), |sum, phase| sum.plus(phase.traffic)),
        server_rss_peak_bytes: phases
            .iter()
            .map(|phase| phase.server_rss_peak_bytes)
            .max()
            .unwrap_or(0),
    }
}

fn progress(is_quiet: bool, length: u64) -> ProgressBar {
    // Draws on stderr, and only if that is a terminal.
    let target = if is_quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template("setting up {bar:40} {pos}/{len} {eta}");
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
