//! Worlds, each from one seed: phones offline and back, a bad network, kills, handovers, people who leave. What must hold
//! is checked at every answer and when everybody has come to rest. `cargo run -p tests --bin simulate -- --help` runs any
//! number of them.

use sync_core::seeded::Bug;
use tests::{
    simulate::{Run, hunt, run},
    world::{Promise, Size, World},
};

/// Worlds of the ordinary run, in parts that run side by side.
const SEEDS: u64 = 500;
const PARTS: u64 = 4;

fn part(number: u64) {
    let seeds = std::env::var("FIELDPOOL_SEEDS").ok().and_then(|text| text.parse().ok());
    let count = seeds.unwrap_or(SEEDS) / PARTS;
    let run = run(Run {
        from: number * count,
        count,
        threads: 1,
        ..Run::default()
    });
    assert!(run.failures.is_empty(), "{}", run.tell_failures());
    // A run in which nothing happens proves nothing.
    for (name, count) in run.tally.columns() {
        assert!(count > 0, "{name}: {count}");
    }
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_1() {
    part(0);
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_2() {
    part(1);
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_3() {
    part(2);
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_4() {
    part(3);
}

#[test]
fn a_seed_gives_the_same_world_twice() {
    assert_eq!(World::live(7, Size::ORDINARY), World::live(7, Size::ORDINARY));
}

/// A world that finds nothing may only look away. `simulate -- --bugs` tries all of them.
#[test]
fn a_known_defect_is_found_by_the_promise_it_breaks() {
    let quick = [
        (Bug::PolicyAskedOnce, Promise::I2),
        (Bug::AcknowledgedBeforeCommit, Promise::I1),
        (Bug::LateMarkDropped, Promise::I12),
        (Bug::ConflictDropped, Promise::I3),
        (Bug::DrainGetsPages, Promise::I2),
    ];
    for (bug, promise) in quick {
        let caught = hunt(
            bug,
            Run {
                count: 10,
                ..Run::default()
            },
            &|_| {},
        );
        let broken = caught.by.unwrap_or_else(|| panic!("{bug:?} is found by no world"));
        assert_eq!(broken.promise, promise, "{bug:?}: {}", broken.what);
    }
}
