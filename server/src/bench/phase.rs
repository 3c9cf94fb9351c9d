//! One phase of a bench: what it took, as one JSON object.

use std::time::Duration;

use serde_json::{Value, json};

/// What the phones of a phase sent and received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) round_trips: u64,
    pub(super) bytes_up: u64,
    pub(super) bytes_down: u64,
}

impl Traffic {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            round_trips: self.round_trips - earlier.round_trips,
            bytes_up: self.bytes_up - earlier.bytes_up,
            bytes_down: self.bytes_down - earlier.bytes_down,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            round_trips: self.round_trips + other.round_trips,
            bytes_up: self.bytes_up + other.bytes_up,
            bytes_down: self.bytes_down + other.bytes_down,
        }
    }
}

/// What a phase took: totals over all its reps.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) reps: usize,
    pub(super) wall: Duration,
    pub(super) server_cpu_ms: f64,
    pub(super) each: Vec<Duration>,
    pub(super) traffic: Traffic,
    pub(super) server_rss_peak_bytes: u64,
}

impl Phase {
    pub(super) fn json(&self) -> Value {
        let mut sorted = self.each.clone();
        sorted.sort_unstable();
        json!({
            "reps": self.reps,
            "wall_ms": milliseconds(self.wall),
            "server_cpu_ms": rounded(self.server_cpu_ms),
            "per_rep": {
                "p50_ms": percentile(&sorted, 50),
                "p95_ms": percentile(&sorted, 95),
                "p99_ms": percentile(&sorted, 99),
            },
            "bytes_up": self.traffic.bytes_up,
            "bytes_down": self.traffic.bytes_down,
            "round_trips": self.traffic.round_trips,
            "server_rss_peak_bytes": self.server_rss_peak_bytes,
        })
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let reps = self.reps.max(1) as f64;
        format!(
            "{:<14} {:>5} reps  {:>9.1} ms wall  {:>8.3} ms server CPU a rep  {:>8.2} KB a rep  {:>5.1} round trips a rep  {:>4} MB",
            self.name,
            self.reps,
            milliseconds(self.wall),
            self.server_cpu_ms / reps,
            (self.traffic.bytes_up + self.traffic.bytes_down) as f64 / 1000.0 / reps,
            self.traffic.round_trips as f64 / reps,
            self.server_rss_peak_bytes / 1_000_000,
        )
    }
}

/// The smallest of the sorted durations that `percent` of them do not exceed, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().map_or(0.0, milliseconds)
}

fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<Duration> = (1..=50).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), 25.0);
        assert_eq!(percentile(&sorted, 95), 48.0);
        assert_eq!(percentile(&sorted, 99), 50.0);
        assert_eq!(percentile(&sorted[..1], 50), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
