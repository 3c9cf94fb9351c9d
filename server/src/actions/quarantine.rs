//! A manager decides what was kept in quarantine: it goes into the log as it stands, under its author's name and
//! marked late, or it is refused. Decided once.

use serde_json::json;
use sync_core::{
    airlock::{Trial, admit},
    document::Document,
    ids::UserId,
    protocol::oplist,
    seeded::{Bug, seeded},
    visibility::{Scope, UserState},
};
use uuid::Uuid;

use super::{
    ActionError, Code,
    commit::{Job, Outcome, write_jobs},
    edit::{card_summary, load},
    ownership::Asker,
    quarantined::may_settle,
    sync::{
        standing::Standing,
        write::{Target, document_write},
    },
};
use crate::{
    app::App,
    storage::{
        Tx,
        audit::AuditRow,
        documents::{LoadedDocument, NewChange},
        log, organisation, ownership, people,
        scopes::{self, Membership},
        verdicts::{self, RefusalRow},
    },
};

/// What a manager says of a chain of changes in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It goes into the log.
    Accept,
    /// It stays out of it.
    Refuse,
}

/// Decides a ticket. Gives the number of changes decided.
///
/// # Errors
/// `not_found` for a ticket of a customer whose documents of that kind he may not write, `conflict` if it was decided
/// before or no longer fits the document; the database's.
pub async fn decide(
    app: &App,
    asker: Asker,
    ticket: Uuid,
    decision: Decision,
    reason: &str,
) -> Result<u64, ActionError> {
    let mut tx = app.database.write().await?;
    // The counter first: nothing that is read below can change before the commit.
    log::take(&mut tx, asker.org, 0, 0).await?;
    let chain = verdicts::list_ticket(&mut tx, asker.org, ticket).await?;
    let Some(first) = chain.first() else {
        return Err(ActionError::refused(Code::NotFound));
    };
    check_right(&mut tx, asker, first).await?;
    if chain.iter().any(|row| row.verdict != "quarantined") {
        return Err(ActionError::refused(Code::Conflict).because("This was decided before."));
    }
    let mut job = Job::new(asker.org);
    let verdict = match decision {
        Decision::Accept => {
            add_chain(&mut tx, asker, &chain, &mut job).await?;
            "accepted"
        }
        Decision::Refuse => "rejected",
    };
    let now = app.seam.now();
    let detail = json!({ "ticket": ticket, "decision": verdict, "changes": chain.len(), "customer": first.customer });
    job.audit.push(
        AuditRow::new(now, "quarantine_decided", first.document)
            .by(asker.user)
            .with_detail(detail),
    );
    let outcomes = write_jobs(&mut tx, asker.org, now, &[&job]).await?;
    if outcomes.contains(&Outcome::Stale) {
        return Err(ActionError::refused(Code::Conflict));
    }
    let decided = verdicts::decide_ticket(&mut tx, asker.org, ticket, verdict, asker.user, now, reason).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(decided)
}

/// Of those who decide about a customer's quarantine whoever may write the document's kind there: the owner, his managers,
/// the office; nobody who only stands in or works beside. Of a customer that was never made, because its creation was refused, those who may see all customers. The author
/// does not decide about himself.
async fn check_right(tx: &mut Tx, asker: Asker, row: &RefusalRow) -> Result<(), ActionError> {
    let not_found = || ActionError::refused(Code::NotFound);
    let account = people::find(tx, asker.org, asker.user).await?.ok_or_else(not_found)?;
    let standing = Standing {
        viewer: account.viewer(),
        held: scopes::list_held(tx, asker.org, asker.user).await?,
        policies: organisation::find_settings(tx, asker.org).await?.policies(),
    };
    let mut memberships = scopes::list_memberships(tx, asker.org, &[row.customer]).await?;
    if memberships.is_empty() {
        memberships.push(Membership {
            customer: row.customer,
            scope: Scope::Org(asker.org),
            from_seq: 0,
            to_seq: None,
        });
    }
    let head = log::head(tx, asker.org).await?;
    let relations = standing.relations_at(&memberships, head);
    let rights = standing.rights_at(&memberships, head).of(row.kind);
    if account.state != UserState::Active || !may_settle(relations, rights) {
        return Err(not_found());
    }
    if is_author(row, asker.user) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    Ok(())
}

fn is_author(row: &RefusalRow, user: UserId) -> bool {
    row.author == user
}

/// Puts the chain on top of the document as it is now.
async fn add_chain(tx: &mut Tx, asker: Asker, chain: &[RefusalRow], job: &mut Job) -> Result<(), ActionError> {
    let first = &chain[0];
    let unfit = || {
        ActionError::refused(Code::Conflict)
            .because("The change no longer fits the document; refuse it and enter its content by hand.")
    };
    let assignments = ownership::list_assignments(tx, asker.org, &[first.customer]).await?;
    let assignment = *assignments.get(&first.customer).ok_or_else(unfit)?;
    let memberships = scopes::list_memberships(tx, asker.org, &[first.customer]).await?;
    let head = log::head(tx, asker.org).await?;
    let loaded: Option<LoadedDocument> = load(tx, asker.org, first.document).await?;
    let mut document = loaded
        .as_ref()
        .map_or_else(|| Document::new(first.kind), |loaded| loaded.document.clone());
    let mut changes = Vec::with_capacity(chain.len());
    let taken = if seeded(Bug::ChainAcceptedHalf) { 1 } else { chain.len() };
    for row in &chain[..taken] {
        let body = row.body.as_deref().ok_or_else(unfit)?;
        let change = oplist::decode(body, row.kind).map_err(|_| unfit())?;
        let built = admit(&mut document, change, body.len(), Trial::Reload).map_err(|_| unfit())?;
        changes.push(NewChange {
            built,
            author: if seeded(Bug::DeciderBecomesAuthor) {
                asker.user
            } else {
                row.author
            },
            device: row.device,
            late: true,
        });
    }
    let target = Target {
        document: first.document,
        customer: first.customer,
        kind: first.kind,
        assignment,
        author: first.author,
        device: first.device,
        stands_in: false,
    };
    let write = document_write(target, loaded.as_ref(), &document, changes, &memberships, head);
    job.customers.insert(first.customer, assignment.version);
    job.cards.extend(card_summary(&write));
    job.documents.push(write);
    Ok(())
}
