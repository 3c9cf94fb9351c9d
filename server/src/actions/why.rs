//! Seeing with somebody else's eyes, and saying why: which relations he has to a customer, what each gives by the table in
//! force, and what that makes.
//!
//! Both go through the reader that every list of his goes through; there is no second rule. Who may not ask gets the same
//! answer for what exists and for what does not.

use serde_json::json;
use sync_core::{
    document::{Class, Kind},
    ids::{CustomerId, DocumentId, UserId},
    visibility::{Cell, Relation, Rights, Role},
};

use super::{
    ActionError, Code,
    customers::{Page, Wanted, list_in, narrow},
    delivery::record_delivery,
    fleet::looks_after,
    ownership::Asker,
    reader::Reader,
};
use crate::{
    app::App,
    storage::{
        Tx,
        customers::{self, CustomerRow},
        people::{self, Account},
    },
};

/// What one relation gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// What he is to the customer.
    pub relation: Relation,
    /// What the table in force says of it, class by class.
    pub cells: [(Class, Cell); Class::ALL.len()],
}

/// What somebody may do with a customer, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Who.
    pub account: Account,
    /// The customer.
    pub customer: CustomerRow,
    /// The version of the table.
    pub policy_version: u64,
    /// His relations and what each gives, the strongest first; none: he may nothing, because he is nothing to it.
    pub grounds: Vec<Ground>,
    /// All of them together: what he may do with each kind.
    pub rights: Vec<(Kind, Rights)>,
    /// With one document, if it was asked for.
    pub document: Option<(DocumentId, Kind, Rights)>,
}

/// The customers that a person's devices get, as his own list shows them. Written down.
///
/// # Errors
/// `not_found` alike for a person who does not exist and one whom the asker does not look after, `account_not_active` for
/// one who gets nothing because he is leaving or has left; the database's.
pub async fn view_as(app: &App, asker: Asker, user: UserId, wanted: &Wanted) -> Result<(Reader, Page), ActionError> {
    let mut tx = app.database.read().await?;
    let me = Reader::load(&mut tx, asker.org, asker.user).await?;
    find_looked_after(&mut tx, &me, user).await?;
    let reader = Reader::load(&mut tx, asker.org, user).await?;
    let (reach, filter) = narrow(&mut tx, &reader, wanted).await?;
    let page = list_in(&mut tx, &reader, wanted, &reach, &filter).await?;
    tx.rollback().await?;
    let detail = json!({ "customers": page.items.len() });
    record_delivery(app, asker.org, asker.user, "viewed_as", user, detail).await?;
    Ok((reader, page))
}

/// Why a person may do what with a customer, or with one document of it. Written down.
///
/// # Errors
/// `not_found` alike for a person, a customer or a document that does not exist, a person whom the asker does not look after,
/// and a customer or document that the asker himself does not see; `account_not_active` for somebody who gets nothing
/// because he is leaving or has left; the database's.
pub async fn explain(
    app: &App,
    asker: Asker,
    user: UserId,
    customer: CustomerId,
    document: Option<DocumentId>,
) -> Result<Explanation, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let mut tx = app.database.read().await?;
    let me = Reader::load(&mut tx, asker.org, asker.user).await?;
    let account = find_looked_after(&mut tx, &me, user).await?;
    let own = me.relations_of(&mut tx, &[customer]).await?;
    let own = me.rights(own.get(&customer).copied().unwrap_or_default());
    let row = customers::find_customer(&mut tx, asker.org, customer)
        .await?
        .filter(|_| own.of(Kind::Card).may_read())
        .ok_or_else(unknown)?;
    let reader = Reader::load(&mut tx, asker.org, user).await?;
    let relations = reader.relations_of(&mut tx, &[customer]).await?;
    let relations = relations.get(&customer).copied().unwrap_or_default();
    let rights = reader.rights(relations);
    let document = match document {
        None => None,
        Some(id) => {
            let found = customers::find_document_row(&mut tx, asker.org, id).await?;
            let found = found
                .filter(|found| found.customer == customer && me.document_rights(own, found, row.owner).may_read());
            let found = found.ok_or_else(unknown)?;
            Some((id, found.kind, reader.document_rights(rights, &found, row.owner)))
        }
    };
    tx.rollback().await?;
    let grounds = relations.iter().filter(|relation| {
        reader.viewer.role.may_have(*relation) && (reader.policy.team_read || *relation != Relation::Team)
    });
    let explanation = Explanation {
        grounds: grounds
            .map(|relation| Ground {
                relation,
                cells: Class::ALL.map(|class| (class, reader.policy.cell(relation, class))),
            })
            .collect(),
        rights: Kind::ALL.map(|kind| (kind, rights.of(kind))).to_vec(),
        policy_version: reader.policy.version,
        document,
        account,
        customer: row,
    };
    let detail = json!({ "user": user, "document": explanation.document.map(|(id, _, _)| id) });
    record_delivery(app, asker.org, asker.user, "asked_why", customer, detail).await?;
    Ok(explanation)
}

/// Somebody whom the reader looks after: administrators everybody, managers the reps and managers of their teams, each
/// himself. Whoever sees all customers, a clerk or an auditor, is nobody's to look through because of his team.
async fn find_looked_after(tx: &mut Tx, reader: &Reader, user: UserId) -> Result<Account, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let account = people::find(tx, reader.org, user).await?.ok_or_else(unknown)?;
    let may = match reader.viewer.role {
        Role::Admin => true,
        Role::Manager => {
            let below = matches!(account.role, Role::Rep | Role::Manager) && looks_after(reader, &account);
            below || account.user == reader.viewer.user
        }
        Role::Rep | Role::BackOffice | Role::Service | Role::Auditor => account.user == reader.viewer.user,
    };
    if may { Ok(account) } else { Err(unknown()) }
}
