//! Two hundred worlds, each from one seed: phones offline and back, a bad network, kills, handovers, clock jumps. What
//! must hold is checked at every delivery and when everybody has come to rest.

use tests::world::{Size, Tally, World};

/// Worlds of the ordinary run.
const SEEDS: u64 = 200;
const SIZE: Size = Size {
    phones: 4,
    customers: 12,
    steps: 90,
};

fn run(seed: u64) -> (Tally, String) {
    let mut world = World::new(seed, SIZE);
    world.run(SIZE.steps);
    world.settle_and_check();
    let trace = world.trace.borrow().clone();
    (world.tally, trace)
}

/// The seeds of one part of the run; nextest runs the parts side by side.
fn part(number: u64, of: u64) {
    let seeds: u64 = std::env::var("FIELDPOOL_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS);
    if let Some(seed) = std::env::var("FIELDPOOL_SEED").ok().and_then(|text| text.parse().ok()) {
        if seed % of == number {
            let (tally, trace) = run(seed);
            println!("{trace}\n{tally:?}");
        }
        return;
    }
    let mut total = Tally::default();
    for seed in (0..seeds).filter(|seed| seed % of == number) {
        let (tally, _) = run(seed);
        total.recorded += tally.recorded;
        total.verdicts += tally.verdicts;
        total.faults += tally.faults;
        total.kills += tally.kills;
        total.moves += tally.moves;
        total.delivered += tally.delivered;
        total.refused += tally.refused;
        total.restarts += tally.restarts;
        total.syncs += tally.syncs;
    }
    println!("{total:?}");
    // A run in which nothing happens proves nothing.
    assert!(total.recorded > 0 && total.verdicts > 0 && total.delivered > 0 && total.moves > 0 && total.kills > 0);
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_1() {
    part(0, 2);
}

#[test]
fn phones_offline_and_back_converge_and_nothing_is_lost_or_leaked_part_2() {
    part(1, 2);
}

#[test]
fn a_seed_gives_the_same_world_twice() {
    assert_eq!(run(7), run(7));
}
