//! Watches every message and its answer, in the moment between the commit and whatever happens next.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use rusqlite::{Connection, params};
use server::{actions::sync::place_of, app::App};
use sha2::{Digest, Sha256};
use sync_core::{
    document::{Change, ChangeId, Kind},
    ids::{CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::{
        message::{SyncRequest, SyncResponse, Verdict, document_id},
        oplist,
    },
};
use uuid::Uuid;

use super::{
    log::{Log, Promise},
    oracle::{self, Carrier, count, one},
};

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As its phone sent it, which waits for the answer.
    InOrder,
    /// Again, or late; the answer reaches nobody.
    Stray,
    /// Made by somebody who means ill.
    Hostile,
}

/// What is remembered between messages.
pub(super) struct Watch {
    log: Rc<Log>,
    look: Rc<Connection>,
    /// Documents delivered.
    pub(super) delivered: u64,
    /// Pages with something in them, each of which the audit must tell of.
    pub(super) pages: u64,
    /// Changes that came late.
    pub(super) late: u64,
    /// Messages that brought something new into the log.
    pub(super) accepts: u64,
    /// Devices told to erase themselves.
    pub(super) ordered: BTreeSet<DeviceId>,
    /// Contents of every change that an honest phone has sent.
    sent: BTreeMap<(DocumentId, ChangeId), [u8; 32]>,
}

/// A change of a message and what was said of it.
struct Judged<'a> {
    document: DocumentId,
    customer: CustomerId,
    kind: Kind,
    change: Change,
    body: &'a [u8],
    verdict: Verdict,
}

/// A change as the log has it.
struct Logged {
    place: i64,
    late: bool,
    author: Vec<u8>,
    device: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
}

impl Watch {
    pub(super) fn new(log: Rc<Log>, look: Rc<Connection>) -> Self {
        Self {
            log,
            look,
            delivered: 0,
            pages: 0,
            late: 0,
            accepts: 0,
            ordered: BTreeSet::new(),
            sent: BTreeMap::new(),
        }
    }

    /// What a phone says before anybody has judged it.
    pub(super) fn sends(&mut self, org: OrgId, asked: &SyncRequest) {
        for judged in changes_of(org, asked, &[]) {
            let content: [u8; 32] = Sha256::digest(judged.body).into();
            let name = (judged.document, judged.change.id());
            if *self.sent.entry(name).or_insert(content) != content {
                self.log.broken(
                    Promise::I7,
                    format!("a phone says two things as {:?} of {}", name.1, name.0),
                );
            }
        }
    }

    pub(super) fn answered(&mut self, org: OrgId, asked: &SyncRequest, answer: &SyncResponse, head: i64, app: &App) {
        let carrier = oracle::carrier(&self.look, asked.device);
        self.check_page(org, asked.device, answer, &carrier);
        self.check_verdicts(org, asked, answer, head, &carrier);
        if answer.wipe.is_some() {
            self.ordered.insert(asked.device);
        }
        self.check_cursor(org, asked, answer, app);
    }

    /// I2: nothing reaches a device that may not have it.
    fn check_page(&mut self, org: OrgId, device: DeviceId, answer: &SyncResponse, carrier: &Carrier) {
        let user = carrier.user;
        let has_page = !(answer.documents.is_empty() && answer.access.is_empty());
        self.pages += u64::from(has_page);
        if has_page && !carrier.may_get {
            self.log.broken(
                Promise::I2,
                format!("device {device} of {user} gets a page and may only hand in"),
            );
        }
        for document in answer.documents.iter().filter(|document| !document.gone) {
            let customer = answer.customers[document.customer as usize];
            let id = oracle::id_of(org, document, customer);
            self.delivered += 1;
            if !oracle::may_read(&self.look, user, id) {
                self.log.broken(
                    Promise::I2,
                    format!(
                        "document {id} (whole {}) was delivered to {user}, who may not read it\n{}",
                        document.whole,
                        oracle::explain(&self.look, user, id)
                    ),
                );
            }
        }
        for item in answer.access.iter().filter(|item| !item.rights.is_empty()) {
            if !oracle::knows(&self.look, user, item.customer) {
                let customer = item.customer;
                self.log.broken(
                    Promise::I2,
                    format!("{user} was given rights to {customer}, with whom he has nothing to do"),
                );
            }
        }
    }

    /// I1, I6 and I12: what is said of each change is so.
    fn check_verdicts(&mut self, org: OrgId, asked: &SyncRequest, answer: &SyncResponse, head: i64, carrier: &Carrier) {
        let mut news = false;
        for judged in changes_of(org, asked, &answer.verdicts) {
            match &judged.verdict {
                Verdict::Accepted { .. } | Verdict::Amended => {
                    news |= self.check_accepted(&judged, asked.device, head, carrier);
                }
                Verdict::Quarantined { reason, ticket } => self.check_quarantined(&judged, reason, *ticket, carrier),
                _ => {}
            }
        }
        self.accepts += u64::from(news);
    }

    /// Whether it has just come into the log.
    fn check_accepted(&mut self, judged: &Judged<'_>, device: DeviceId, head: i64, carrier: &Carrier) -> bool {
        let (document, id, user) = (judged.document, judged.change.id(), carrier.user);
        let broken = |promise, what: &str| -> ! {
            let (kind, verdict) = (judged.kind, &judged.verdict);
            let why = oracle::explain(&self.look, user, document);
            self.log.broken(
                promise,
                format!("{id:?} of the {kind} {document} by {user} on {device} ({verdict:?}) {what}\n{why}"),
            )
        };
        let Some(logged) = find_logged(&self.look, document, id) else {
            broken(Promise::I1, "was acknowledged and is not in the log");
        };
        if logged
            .body
            .is_some_and(|body| !same(&body, &judged.change, judged.kind))
        {
            broken(
                Promise::I7,
                "was acknowledged and the log has something else under its name",
            );
        }
        let said_late = judged.verdict != Verdict::Accepted { late: false };
        if logged.late != said_late {
            broken(Promise::I12, "is late in one place and not in the other");
        }
        if judged.verdict == Verdict::Amended && !has_proposal(&self.look, document) {
            broken(Promise::Late, "was amended and nobody is told what it said");
        }
        if logged.place <= head {
            return false;
        }
        self.late += u64::from(said_late);
        if logged.author != user.as_bytes() || logged.device.as_deref() != Some(&device.as_bytes()[..]) {
            broken(Promise::Author, "stands under somebody else's name");
        }
        if said_late {
            if let Some(fault) = self.fault_of_late(judged, device, user) {
                broken(Promise::I12, fault);
            }
        } else if !oracle::may_write(&self.look, user, document, is_comment(&judged.change))
            && !oracle::begins_card(&self.look, user, document, head)
        {
            broken(Promise::I12, "was accepted and he may not write it");
        }
        true
    }

    /// Late work is of somebody who once had to do with the customer, on a device that has not confirmed the loss.
    fn fault_of_late(&self, judged: &Judged<'_>, device: DeviceId, user: UserId) -> Option<&'static str> {
        match oracle::last_end(&self.look, user, judged.customer) {
            None => Some("came late from somebody who never had to do with the customer"),
            Some(end) if oracle::confirmed_loss(&self.look, device, judged.customer) >= end => {
                Some("came late from a device that had confirmed the loss")
            }
            Some(_) => None,
        }
    }

    fn check_quarantined(&self, judged: &Judged<'_>, reason: &str, ticket: Uuid, carrier: &Carrier) {
        let (document, id) = (judged.document, judged.change.id());
        let kept = one(
            &self.look,
            "SELECT body IS NOT NULL, ticket_id FROM refusal
             WHERE org_id = (SELECT org_id FROM organisation) AND document_id = ?1 AND actor = ?2 AND seq = ?3",
            params![document.as_bytes(), id.actor.0, id.seq.cast_signed()],
            |row| Ok((row.get::<_, bool>(0)?, row.get::<_, Vec<u8>>(1)?)),
        );
        if kept.is_none_or(|(has_body, kept)| !has_body || kept != ticket.as_bytes()) {
            self.log.broken(
                Promise::I6,
                format!("{id:?} of {document} is said to be in quarantine and is not"),
            );
        }
        if reason == "no_permission" && carrier.may_get && oracle::may_write(&self.look, carrier.user, document, false)
        {
            self.log.broken(
                Promise::I12,
                format!(
                    "{id:?} of {document} was refused to {}, who may write it\n{}",
                    carrier.user,
                    oracle::explain(&self.look, carrier.user, document)
                ),
            );
        }
    }

    /// I4: cursors only go forward.
    fn check_cursor(&self, org: OrgId, asked: &SyncRequest, answer: &SyncResponse, app: &App) {
        if answer.reset {
            return;
        }
        let place = |cursor: &[u8]| place_of(app, org, asked.device, cursor);
        let before = asked.cursor.as_ref().and_then(|cursor| place(cursor)).unwrap_or(0);
        let after = place(&answer.cursor).unwrap_or(before);
        let head = count(&self.look, "SELECT head FROM log_head", []);
        if after < before || after > head {
            let device = asked.device;
            self.log.broken(
                Promise::I4,
                format!("the cursor of {device} went from {before} to {after}, and the log ends at {head}"),
            );
        }
    }
}

/// The changes of a message with what was said of each.
fn changes_of<'a>(org: OrgId, asked: &'a SyncRequest, said: &[(u32, Verdict)]) -> Vec<Judged<'a>> {
    let said: BTreeMap<u32, &Verdict> = said.iter().map(|(index, verdict)| (*index, verdict)).collect();
    let mut judged = Vec::new();
    let mut index = 0;
    for pushed in &asked.documents {
        let kind = Kind::from_number(pushed.kind);
        let customer = asked.customers.get(pushed.customer as usize).copied();
        for body in &pushed.changes {
            let verdict = said.get(&index).copied().cloned();
            index += 1;
            let (Some(kind), Some(customer)) = (kind, customer) else {
                continue;
            };
            let document = document_id(org, pushed.document, customer, kind);
            let change = oplist::decode(body, kind);
            if let (Some(document), Ok(change)) = (document, change) {
                judged.push(Judged {
                    document,
                    customer,
                    kind,
                    change,
                    body,
                    verdict: verdict.unwrap_or(Verdict::Accepted { late: false }),
                });
            }
        }
    }
    judged
}

fn find_logged(look: &Connection, document: DocumentId, id: ChangeId) -> Option<Logged> {
    one(
        look,
        "SELECT log_seq, late, author_id, device_id, body FROM change
         WHERE org_id = (SELECT org_id FROM organisation) AND document_id = ?1 AND actor = ?2 AND seq = ?3",
        params![document.as_bytes(), id.actor.0, id.seq.cast_signed()],
        |row| {
            Ok(Logged {
                place: row.get(0)?,
                late: row.get(1)?,
                author: row.get(2)?,
                device: row.get(3)?,
                body: row.get(4)?,
            })
        },
    )
}

/// A later late value of the same author takes the place of an open one, so any of the document's will do.
fn has_proposal(look: &Connection, document: DocumentId) -> bool {
    let sql = "SELECT COUNT(*) FROM proposal WHERE org_id = (SELECT org_id FROM organisation) AND document_id = ?1";
    count(look, sql, [document.as_bytes()]) > 0
}

fn same(body: &[u8], change: &Change, kind: Kind) -> bool {
    oplist::decode(body, kind).is_ok_and(|logged| logged == *change)
}

/// Comments are the only entries of maps under a key that is an id.
fn is_comment(change: &Change) -> bool {
    change
        .operations
        .iter()
        .all(|operation| operation.key.parse::<Uuid>().is_ok())
}
