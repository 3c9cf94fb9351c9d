//! Who may read what, said again in a naive way straight from the tables: the answer the policy must give.

use rusqlite::{Connection, OptionalExtension};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::message::PullDocument,
};
use uuid::Uuid;

pub(super) fn user_of_device(look: &Connection, device: DeviceId) -> UserId {
    let user: Vec<u8> = look
        .query_row(
            "SELECT user_id FROM device WHERE device_id = ?1",
            [device.as_bytes()],
            |row| row.get(0),
        )
        .expect("the device is enrolled");
    UserId(Uuid::from_slice(&user).expect("an id"))
}

pub(super) fn id_of(org: OrgId, document: &PullDocument, customer: CustomerId) -> DocumentId {
    document.document.unwrap_or_else(|| {
        let kind = Kind::from_number(document.kind).expect("a kind");
        DocumentId::derived(org, customer, kind, 0)
    })
}

struct Reader {
    id: Vec<u8>,
    role: String,
    state: String,
    team: Option<Vec<u8>>,
}

struct Paper {
    kind: Kind,
    author: Vec<u8>,
    responsible: Option<Vec<u8>>,
    customer: Vec<u8>,
    owner: Option<Vec<u8>>,
    pool: Option<Vec<u8>>,
    team: Option<Vec<u8>>,
    checked_in_by: Option<Vec<u8>>,
}

/// Whether a person may read a document as things stand.
pub(super) fn may_read(look: &Connection, user: UserId, document: DocumentId) -> bool {
    let reader = look
        .query_row(
            "SELECT user_id, role, state, team_id FROM user_account WHERE user_id = ?1",
            [user.as_bytes()],
            |row| {
                Ok(Reader {
                    id: row.get(0)?,
                    role: row.get(1)?,
                    state: row.get(2)?,
                    team: row.get(3)?,
                })
            },
        )
        .expect("a person");
    let paper = look
        .query_row(
            "SELECT d.kind, d.author_id, d.responsible_id, d.customer_id, c.owner_id, c.pool_id, c.team_id,
                    d.checked_in_by
             FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
             WHERE d.document_id = ?1",
            [document.as_bytes()],
            |row| {
                Ok(Paper {
                    kind: Kind::from_number(row.get::<_, u8>(0)?).expect("a kind"),
                    author: row.get(1)?,
                    responsible: row.get(2)?,
                    customer: row.get(3)?,
                    owner: row.get(4)?,
                    pool: row.get(5)?,
                    team: row.get(6)?,
                    checked_in_by: row.get(7)?,
                })
            },
        )
        .optional()
        .expect("a document's row");
    paper.is_some_and(|paper| reader.state == "active" && reads(look, &reader, &paper))
}

/// What decides, in words for whoever reads a failure.
pub(super) fn explain(look: &Connection, user: UserId, document: DocumentId) -> String {
    let hex = |id: Option<Vec<u8>>| {
        id.map_or("-".to_owned(), |id| {
            Uuid::from_slice(&id).map_or("?".to_owned(), |id| id.to_string())
        })
    };
    let paper = look.query_row(
        "SELECT d.kind, d.author_id, d.responsible_id, d.customer_id, c.owner_id, c.pool_id, c.team_id, d.late
         FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
         WHERE d.document_id = ?1",
        [document.as_bytes()],
        |row| {
            Ok(format!(
                "kind {}, author {}, responsible {}, customer {}, owner {}, pool {}, team {}, late {}",
                row.get::<_, i64>(0)?,
                hex(row.get(1)?),
                hex(row.get(2)?),
                hex(row.get(3)?),
                hex(row.get(4)?),
                hex(row.get(5)?),
                hex(row.get(6)?),
                row.get::<_, bool>(7)?
            ))
        },
    );
    let reader = look.query_row(
        "SELECT login, role, state, team_id FROM user_account WHERE user_id = ?1",
        [user.as_bytes()],
        |row| {
            Ok(format!(
                "{} {} {} team {}",
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                hex(row.get(3)?)
            ))
        },
    );
    let list = |sql: &str| -> Vec<String> {
        let mut statement = look.prepare(sql).expect("a list");
        let rows = statement
            .query_map([document.as_bytes()], |row| {
                Ok(format!(
                    "{}/{}/{:?}",
                    hex::encode(row.get::<_, Vec<u8>>(0)?),
                    row.get::<_, i64>(1)?,
                    row.get::<_, Option<i64>>(2)?
                ))
            })
            .expect("a list");
        rows.map(|row| row.expect("a row")).collect()
    };
    let feeds = list("SELECT feed, seq, NULL FROM feed WHERE document_id = ?1");
    let changes = list("SELECT actor, log_seq, seq FROM change WHERE document_id = ?1");
    let scopes = list(
        "SELECT scope, from_seq, to_seq FROM scope_member
         WHERE customer_id = (SELECT customer_id FROM document WHERE document_id = ?1) ORDER BY from_seq",
    );
    format!("{reader:?}; {paper:?}\nfeeds {feeds:?}\nchanges {changes:?}\nscopes {scopes:?}")
}

fn reads(look: &Connection, reader: &Reader, paper: &Paper) -> bool {
    let internal = paper.kind == Kind::Internal;
    let card = paper.kind == Kind::Card;
    let activity = matches!(paper.kind, Kind::Visit | Kind::FollowUp | Kind::Ticket);
    let mine = paper.author == reader.id;
    match reader.role.as_str() {
        "back_office" | "admin" | "auditor" => return true,
        "service" => return !internal,
        "rep" | "manager" => {}
        _ => return false,
    }
    if paper.owner.as_ref() == Some(&reader.id) && !internal {
        return true;
    }
    if reader.role == "manager" && paper.team.as_ref().is_some_and(|team| leads(look, reader, team)) {
        return true;
    }
    // Members of the pool and of the owner's team see the card, and what they wrote themselves.
    let in_pool = paper
        .pool
        .as_ref()
        .is_some_and(|pool| is_member(look, pool, &reader.id));
    let in_team = paper.team.is_some() && paper.team == reader.team;
    if (in_pool || in_team) && (card || (activity && mine)) {
        return true;
    }
    // Whoever is responsible for a document reads it, the card and the contacts.
    if paper.responsible.as_ref() == Some(&reader.id) {
        return true;
    }
    let here = is_responsible(look, &paper.customer, &reader.id);
    // And of visits to that customer those in which he has checked in.
    let checked_in = paper.checked_in_by.as_ref() == Some(&reader.id);
    here && (card || paper.kind == Kind::Contact || checked_in)
}

fn leads(look: &Connection, reader: &Reader, team: &[u8]) -> bool {
    look.query_row(
        "SELECT COUNT(*) FROM team_closure WHERE ancestor_id = ?1 AND descendant_id = ?2",
        rusqlite::params![reader.team, team],
        |row| row.get::<_, i64>(0),
    )
    .expect("a count")
        > 0
}

fn is_member(look: &Connection, pool: &[u8], user: &[u8]) -> bool {
    look.query_row(
        "SELECT COUNT(*) FROM pool_member WHERE pool_id = ?1 AND user_id = ?2",
        [pool, user],
        |row| row.get::<_, i64>(0),
    )
    .expect("a count")
        > 0
}

fn is_responsible(look: &Connection, customer: &[u8], user: &[u8]) -> bool {
    look.query_row(
        "SELECT COUNT(*) FROM document WHERE customer_id = ?1 AND responsible_id = ?2",
        [customer, user],
        |row| row.get::<_, i64>(0),
    )
    .expect("a count")
        > 0
}
