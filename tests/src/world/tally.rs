//! How large a world is, and what it has exercised.

/// How large a world is and how long it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Phones; every fifth is somebody's second.
    pub phones: usize,
    /// Customers at the beginning.
    pub customers: usize,
    /// Days it lasts.
    pub days: usize,
    /// Things that happen on each phone each day.
    pub steps: usize,
}

impl Size {
    /// The ordinary world.
    pub const ORDINARY: Self = Self {
        phones: 8,
        customers: 16,
        days: 5,
        steps: 8,
    };

    /// Days of all phones together.
    #[must_use]
    pub const fn phone_days(self) -> u64 {
        (self.phones * self.days) as u64
    }
}

/// Counts that say what a run has exercised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tally {
    pub recorded: u64,
    pub syncs: u64,
    pub faults: u64,
    pub kills: u64,
    pub restarts: u64,
    pub moves: u64,
    pub handovers: u64,
    pub undone: u64,
    pub departures: u64,
    pub wiped: u64,
    pub delivered: u64,
    pub verdicts: u64,
    pub late: u64,
    pub amended: u64,
    pub quarantined: u64,
    pub decided: u64,
    pub attacks: u64,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let into = self.columns_mut();
        for (into, (_, count)) in into.into_iter().zip(other.columns()) {
            *into += count;
        }
    }

    /// Names and counts.
    #[must_use]
    pub fn columns(&self) -> [(&'static str, u64); 17] {
        [
            ("edits recorded", self.recorded),
            ("syncs", self.syncs),
            ("network faults", self.faults),
            ("phones killed", self.kills),
            ("server kills", self.restarts),
            ("customers moved", self.moves),
            ("handovers", self.handovers),
            ("undone", self.undone),
            ("people leaving", self.departures),
            ("phones wiped", self.wiped),
            ("documents delivered", self.delivered),
            ("verdicts", self.verdicts),
            ("late", self.late),
            ("amended", self.amended),
            ("quarantined", self.quarantined),
            ("decisions", self.decided),
            ("attacks", self.attacks),
        ]
    }

    fn columns_mut(&mut self) -> [&mut u64; 17] {
        [
            &mut self.recorded,
            &mut self.syncs,
            &mut self.faults,
            &mut self.kills,
            &mut self.restarts,
            &mut self.moves,
            &mut self.handovers,
            &mut self.undone,
            &mut self.departures,
            &mut self.wiped,
            &mut self.delivered,
            &mut self.verdicts,
            &mut self.late,
            &mut self.amended,
            &mut self.quarantined,
            &mut self.decided,
            &mut self.attacks,
        ]
    }
}
