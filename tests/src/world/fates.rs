//! I1 and I6: what became of everything that somebody has saved. Each text has a mark that stands nowhere else, so that
//! it can be found again without asking the product where it has put it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;
use sync_core::{
    document::ChangeId,
    ids::{DocumentId, UserId},
};

use super::{
    Company, Promise, World,
    oracle::{all, count},
    read,
};

/// Digits of a mark.
const DIGITS: usize = 6;

/// A text that somebody has saved.
pub(super) struct Mark {
    number: u64,
    user: UserId,
    handset: usize,
    /// He was told that it would be lost, and said yes.
    given_up: bool,
}

impl World {
    /// A mark for the next text.
    pub(super) fn next_mark(&mut self) -> String {
        self.mark_count += 1;
        format!("#{:0DIGITS$}#", self.mark_count)
    }

    /// The phone has said that the text is saved.
    pub(super) fn remember(&mut self, handset: usize, mark: &str) {
        let number = marks_in(mark.as_bytes()).next().expect("a mark");
        self.marks.push(Mark {
            number,
            user: self.user_of(handset),
            handset,
            given_up: false,
        });
    }

    /// Marks in a phone's outbox.
    pub(super) fn marks_unsent(&mut self, handset: usize) -> BTreeSet<u64> {
        let outbox = read(&mut self.handsets[handset].phone, |tx| tx.outbox());
        outbox
            .iter()
            .flat_map(|entry| marks_in(&entry.body).collect::<Vec<_>>())
            .collect()
    }

    /// Somebody has said that these may be lost.
    pub(super) fn give_up(&mut self, marks: &BTreeSet<u64>) {
        for mark in self.marks.iter_mut().filter(|mark| marks.contains(&mark.number)) {
            mark.given_up = true;
        }
    }

    pub(super) fn check_fates(&mut self) {
        self.check_marks();
        self.check_entries();
    }

    fn check_marks(&mut self) {
        let look = self.network.borrow().look();
        let sql = "SELECT body, author_id FROM change WHERE body IS NOT NULL ORDER BY log_seq";
        // Who takes a late value over writes it under his own name.
        let office = self.company.people[Company::ADMIN].id;
        let mut logged: BTreeMap<u64, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (body, author) in all(&look, sql, [], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))) {
            let author: Vec<u8> = author;
            for mark in marks_in(&body) {
                let authors = logged.entry(mark).or_default();
                if authors.is_empty() || author != office.as_bytes() {
                    authors.insert(author.clone());
                }
            }
        }
        let mut kept: BTreeSet<u64> = BTreeSet::new();
        for body in all(
            &look,
            "SELECT body FROM refusal WHERE body IS NOT NULL AND verdict <> 'accepted'",
            [],
            |row| row.get::<_, Vec<u8>>(0),
        ) {
            kept.extend(marks_in(&body));
        }
        for handset in 0..self.handsets.len() {
            if self.handsets[handset].is_wiped() {
                continue;
            }
            kept.extend(self.marks_unsent(handset));
            for entry in read(&mut self.handsets[handset].phone, |tx| tx.tray()) {
                kept.extend(marks_in(format!("{:?}", entry.edits).as_bytes()));
            }
        }
        for mark in self.marks.iter().filter(|mark| !mark.given_up) {
            let Mark {
                number, user, handset, ..
            } = mark;
            match logged.get(number) {
                Some(authors) if authors.iter().any(|author| author != user.as_bytes()) => {
                    self.broken(
                        Promise::Author,
                        format!("#{number:0DIGITS$}# is {user}'s and stands under another name"),
                    );
                }
                None if !kept.contains(number) => {
                    self.broken(
                        Promise::I6,
                        format!("#{number:0DIGITS$}#, saved on phone {handset}, is nowhere"),
                    );
                }
                _ => {}
            }
        }
    }

    /// Everything ends in one verdict, and what was acknowledged is in the log.
    fn check_entries(&mut self) {
        let look = self.network.borrow().look();
        let is_in = |table: &str, document: DocumentId, change: ChangeId| {
            let sql = format!(
                "SELECT COUNT(*) FROM {table} WHERE org_id = (SELECT org_id FROM organisation)
                 AND document_id = ?1 AND actor = ?2 AND seq = ?3"
            );
            let name = params![document.as_bytes(), change.actor.0, change.seq.cast_signed()];
            count(&look, &sql, name) > 0
        };
        for handset in 0..self.handsets.len() {
            let open: BTreeSet<i64> = if self.handsets[handset].is_wiped() {
                BTreeSet::new()
            } else {
                let outbox = read(&mut self.handsets[handset].phone, |tx| tx.outbox());
                outbox.iter().map(|entry| entry.id).collect()
            };
            if let Some(entry) = open.first() {
                self.broken(
                    Promise::I10,
                    format!("entry {entry} of phone {handset} was never decided"),
                );
            }
            for life in &self.handsets[handset].lives {
                let mut finals: BTreeMap<i64, &str> = BTreeMap::new();
                for (entry, verdict) in life.settled.iter().filter(|(_, verdict)| *verdict != "retry") {
                    if finals.insert(*entry, verdict).is_some() {
                        self.broken(
                            Promise::I9,
                            format!("entry {entry} of phone {handset} got two final verdicts"),
                        );
                    }
                }
                for (entry, document, change) in &life.seen {
                    let accepted = matches!(finals.get(entry), Some(&("accepted" | "amended")));
                    if accepted && !is_in("change", *document, *change) {
                        self.broken(
                            Promise::I1,
                            format!("entry {entry} of phone {handset} was acknowledged and is not in the log"),
                        );
                    }
                }
            }
        }
    }
}

/// The marks in some bytes.
fn marks_in(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.windows(DIGITS + 2).filter_map(|window| {
        let digits = &window[1..=DIGITS];
        let fits = window[0] == b'#' && window[DIGITS + 1] == b'#' && digits.iter().all(u8::is_ascii_digit);
        fits.then(|| {
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        })
    })
}
